template <int n, int m> struct Bomb { static const int value = Bomb<n - 1, m>::value + Bomb<n - 1, m + 1>::value; };
template <int m> struct Bomb<0, m> { static const int value = 1; };
int main() { return Bomb<850, 0>::value; }

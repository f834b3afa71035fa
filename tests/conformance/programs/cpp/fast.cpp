#include <iostream>
int main() { std::ios::sync_with_stdio(false); std::cin.tie(nullptr); for (int n = 0; n < 50000; n++) std::cout << n << "\n"; }

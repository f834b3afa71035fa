char huge[1L << 40] = {1};
int main(void) { return 0; }

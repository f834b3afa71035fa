#include <stdio.h>
int main(int argc, char **argv) { puts("before"); fflush(stdout); return 1 / (argc - 3); }

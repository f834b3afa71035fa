#include <stdio.h>
#include <stdlib.h>
int main(void) { puts("before"); fflush(stdout); volatile int *p = 0; return *p; }

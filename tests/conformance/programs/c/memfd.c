#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
int main(void) { int f = memfd_create("x", 0); printf("%d\n", f < 0 ? 0 : (int)write(f, "abc", 3)); }

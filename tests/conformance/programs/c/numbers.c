#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
static int by(const void *a, const void *b) { return *(int *)a - *(int *)b; }
int main(void) { int n[] = {5, 3, 9}; qsort(n, 3, sizeof *n, by); srand(7); printf("%d %d %.6f %lld %zu %s\n", n[0], rand(), sqrt(2), (long long)INT64_MAX, sizeof(long), 0.1 + 0.2 == 0.3 ? "eq" : "ne"); }

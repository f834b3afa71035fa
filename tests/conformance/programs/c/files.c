#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void) {
    FILE *f = fopen("a.bin", "w+b"); int n[3] = {1, 2, 3}; fwrite(n, sizeof *n, 3, f); rewind(f); memset(n, 0, sizeof n); fread(n, sizeof *n, 3, f); fclose(f);
    struct stat s; stat("a.bin", &s); printf("%d %ld %s\n", n[2], (long)s.st_size, fopen("none", "r") ? "" : strerror(errno)); f = tmpfile(); puts(f ? "temporary" : "none");
    char *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0); strcpy(m, "mapped"); puts(m); puts(getenv("HOME") ? "home" : "none"); return remove("a.bin");
}

#include <ctype.h>
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) {
    char word[100]; int n = 0, longest = 0;
    while (scanf("%99s", word) == 1) { n++; if ((int)strlen(word) > longest) longest = strlen(word); word[0] = toupper(word[0]); printf("%s ", word); }
    printf("\n%d %d %d", n, longest, argc); for (int i = 1; i < argc; i++) printf(" <%s>", argv[i]); return n % 7;
}

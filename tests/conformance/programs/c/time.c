#define _GNU_SOURCE
#include <locale.h>
#include <stdio.h>
#include <time.h>
#include <wchar.h>
int main(void) { setlocale(LC_ALL, ""); time_t t = 0; char s[64]; strftime(s, 64, "%F %T %Z", localtime(&t)); printf("%s %ls %d\n", s, L"안녕", wcwidth(L'한')); }

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void caught(int number) { char c = '0' + number % 10; write(1, &c, 1); write(1, "\n", 1); }
int main(void) {
    int ends[2], status; char text[9] = {0}; pipe(ends); signal(SIGUSR1, caught);
    if (fork() == 0) { write(ends[1], "child", 5); _exit(3); }
    wait(&status); read(ends[0], text, 8); printf("%s %d\n", text, WEXITSTATUS(status)); fflush(stdout);
    raise(SIGUSR1); printf("%d\n", WEXITSTATUS(system("exit 4"))); return 0;
}

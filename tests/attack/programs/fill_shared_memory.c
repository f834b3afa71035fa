/* Segments of System V are no process's memory, and stay when nobody is attached to them. */
#include <stdio.h>
#include <string.h>
#include <sys/shm.h>

int main(void) {
    for (int number = 0; number < 2000; number++) {
        int id = shmget(IPC_PRIVATE, 1 << 20, IPC_CREAT | 0600);
        char *memory = id < 0 ? (char *)-1 : shmat(id, NULL, 0);
        if (memory == (char *)-1) {
            perror("no segment");
            return 1;
        }
        memset(memory, 1, 1 << 20);
        shmdt(memory);
    }
    puts("ESCAPED: 2000 MiB of shared memory");
}

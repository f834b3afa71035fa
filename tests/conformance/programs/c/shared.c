#include <semaphore.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared { sem_t written; int value; };

int main(void) {
    int id = shmget(IPC_PRIVATE, sizeof(struct shared), IPC_CREAT | 0600);
    if (id < 0) { perror("shmget"); return 1; }
    struct shared *shared = shmat(id, NULL, 0);
    sem_init(&shared->written, 1, 0);
    if (fork() == 0) { shared->value = 42; sem_post(&shared->written); _exit(0); }
    sem_wait(&shared->written);
    wait(NULL);
    printf("%d\n", shared->value);
    shmdt(shared);
    return shmctl(id, IPC_RMID, NULL);
}

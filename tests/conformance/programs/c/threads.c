#include <pthread.h>
#include <stdio.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; static int sum;
static void *add(void *n) { for (int i = 0; i < 1000; i++) { pthread_mutex_lock(&lock); sum += (int)(long)n; pthread_mutex_unlock(&lock); } return 0; }
int main(void) { pthread_t t[4]; for (long n = 0; n < 4; n++) pthread_create(&t[n], 0, add, (void *)n); for (int n = 0; n < 4; n++) pthread_join(t[n], 0); printf("%d\n", sum); pthread_exit(0); }

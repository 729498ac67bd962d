/* C11's threads and locks by POSIX's, whose calls the thread sanitizer watches: librdkafka uses the
   former, and a thread that the sanitizer has not seen begin ends the program at its first malloc.
   What librdkafka 2 asks for, no more. To be preloaded (tools/sanitize.sh). */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t), "the one must fit into the other");
_Static_assert(sizeof(cnd_t) >= sizeof(pthread_cond_t), "the one must fit into the other");

struct beginning {
    thrd_start_t function;
    void *argument;
};

static int result_of(int error) {
    return error == 0 ? thrd_success : thrd_error;
}

static void *run(void *given) {
    const struct beginning beginning = *(struct beginning *)given;
    free(given);
    return (void *)(intptr_t)beginning.function(beginning.argument);
}

int thrd_create(thrd_t *thread, thrd_start_t function, void *argument) {
    struct beginning *beginning = malloc(sizeof *beginning);
    if (beginning == NULL) {
        return thrd_nomem;
    }
    *beginning = (struct beginning){function, argument};
    if (pthread_create(thread, NULL, run, beginning) != 0) {
        free(beginning);
        return thrd_error;
    }
    return thrd_success;
}

int thrd_join(thrd_t thread, int *result) {
    void *returned = NULL;
    const int error = pthread_join(thread, &returned);
    if (error == 0 && result != NULL) {
        *result = (int)(intptr_t)returned;
    }
    return result_of(error);
}

int mtx_init(mtx_t *lock, int type) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    if ((type & mtx_recursive) != 0) {
        pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    }
    const int error = pthread_mutex_init((pthread_mutex_t *)lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    return result_of(error);
}

void mtx_destroy(mtx_t *lock) { pthread_mutex_destroy((pthread_mutex_t *)lock); }
int mtx_lock(mtx_t *lock) { return result_of(pthread_mutex_lock((pthread_mutex_t *)lock)); }
int mtx_unlock(mtx_t *lock) { return result_of(pthread_mutex_unlock((pthread_mutex_t *)lock)); }

int cnd_init(cnd_t *condition) { return result_of(pthread_cond_init((pthread_cond_t *)condition, NULL)); }
void cnd_destroy(cnd_t *condition) { pthread_cond_destroy((pthread_cond_t *)condition); }
int cnd_signal(cnd_t *condition) { return result_of(pthread_cond_signal((pthread_cond_t *)condition)); }
int cnd_broadcast(cnd_t *condition) {
    return result_of(pthread_cond_broadcast((pthread_cond_t *)condition));
}
int cnd_wait(cnd_t *condition, mtx_t *lock) {
    return result_of(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)lock));
}
int cnd_timedwait(cnd_t *condition, mtx_t *lock, const struct timespec *until) {
    const int error =
        pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)lock, until);
    return error == ETIMEDOUT ? thrd_timedout : result_of(error);
}

#include "gateway/observe/helper_thread.h"

#include <signal.h>
#include <time.h>

int helper_thread_start(pthread_t *ret, void *(*run)(void *ctx), void *ctx)
{
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(ret, NULL, run, ctx);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

void helper_thread_init_news(pthread_cond_t *ret)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(ret, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

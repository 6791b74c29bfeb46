/*
 * helper_thread: a thread beside the workers, for what must not hold them up: logs, ledger, export.
 */
#pragma once

#include <pthread.h>

/* Signals are the main thread's. Returns 0 or an errno, as pthread_create() does. */
int helper_thread_start(pthread_t *ret, void *(*run)(void *ctx), void *ctx);

/* What it waits for news with: deadlines are by clock_now()'s clock, which never goes back. */
void helper_thread_init_news(pthread_cond_t *ret);

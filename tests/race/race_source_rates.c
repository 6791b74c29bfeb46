/* Threads count and ask for sources that they share, and for so many others that places change
 * hands: what is sent beyond the rate never has room, and nobody waits longer than a period. */
#include "gateway/webhook/source_rates.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

enum { THREADS = 4, TURNS = 50000, COUNT = 10, OTHERS = 20000 };

static struct source_rates *rates;
static const struct hook_rate rate = {.count = COUNT, .period = 60 * SEC};
static const usec_t now = 1000 * SEC;
static atomic_bool wrong;

static void *work(void *number)
{
    unsigned mine = (unsigned)(uintptr_t)number;
    for (unsigned i = 0; i < TURNS; i++) {
        char address[32];
        usec_t after = 0;
        (void)snprintf(address, sizeof(address), "10.%u.%u.1", (i * THREADS + mine) % OTHERS / 256,
                       (i * THREADS + mine) % 256);
        source_rates_count(rates, "hook", slice_from(address), &rate, now);
        source_rates_count(rates, "hook", SLICE("192.0.2.1"), &rate, now);
        bool room = source_rates_have_room(rates, "hook", SLICE("192.0.2.1"), &rate, now, &after);
        if (i >= COUNT && (room || after > rate.period)) {
            atomic_store(&wrong, true);
        }
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    rates = source_rates_new();
    for (uintptr_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, work, (void *)i) != 0) {
            return 1;
        }
    }
    for (unsigned i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    source_rates_free(rates);
    if (atomic_load(&wrong)) {
        (void)puts("a source that had sent its rate had room, or waits too long");
    }
    return atomic_load(&wrong) ? 1 : 0;
}

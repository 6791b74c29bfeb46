/* Workers take, suspect and drop a secret while the main thread replaces it; slots come and go. */
#include "auth/secrets/secret_store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 3, TURNS = 20000 };

static struct secret_store *store;
static atomic_uint running = WORKERS;

static bool intact(const struct credential *credential)
{
    struct slice value = secret_reveal(credential->secret);
    return slice_starts_with(value, SLICE("a value of this race: ")) &&
           strcmp(credential->name, "race") == 0 && credential->scrubber != NULL;
}

static void *work(void *ctx)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < TURNS; i++) {
        struct secret_slot *slot = secret_slot_ref(store, "race");
        struct credential *credential = credential_acquire(slot);
        if (credential != NULL && (!intact(credential) || credential->version < seen)) {
            *(bool *)ctx = false;
        }
        seen = credential == NULL ? seen : credential->version;
        credential_unref(credential);
        secret_slot_suspect(slot);
        secret_slot_unref(slot);
        secret_slot_unref(secret_slot_ref(store, i % 2 == 0 ? "even" : "odd"));
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

int main(void)
{
    pthread_t threads[WORKERS];
    bool good[WORKERS] = {true, true, true};
    struct secret_source source = {.kind = SECRET_SOURCE_ENV, .prefix = "SALLYPORT_TEST_"};
    usec_t now = 0;
    store = secret_store_new();
    secret_store_set_sources(store, &source, 1);
    struct secret_slot *slot = secret_slot_ref(store, "race");
    for (unsigned i = 0; i < WORKERS; i++) {
        if (pthread_create(&threads[i], NULL, work, &good[i]) != 0) {
            return 2;
        }
    }
    for (unsigned i = 0; atomic_load(&running) > 0; i++) {
        char value[64];
        (void)snprintf(value, sizeof(value), "a value of this race: %u", i);
        (void)setenv("SALLYPORT_TEST_RACE", value, 1); /* this thread alone reads variables */
        now += SECRET_REFRESH;
        secret_store_refresh(store, now, NULL, NULL);
    }
    bool all_good = true;
    for (unsigned i = 0; i < WORKERS; i++) {
        (void)pthread_join(threads[i], NULL);
        all_good = all_good && good[i];
    }
    secret_slot_unref(slot);
    secret_store_free(store);
    return all_good ? 0 : 1;
}

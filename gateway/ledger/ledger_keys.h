/*
 * ledger_keys: texts of quotas' keys that the config alone does not name, on their way to the
 * database: what was charged to them is handed in by their text. Known by hash; a text is written
 * once a process and window. Bounded; what finds no place is noted with its next charge. Internal
 * to ledger/.
 */
#pragma once

#include "base/memory.h"
#include "base/table.h"

#include <pthread.h>

enum { LEDGER_KEYS_MAX = 128 * 1024 };

struct ledger_key {
    uint64_t hash;
    int64_t end_ms; /* of the last window that it was charged in */
    struct slice text;
    bool waits;              /* to be written */
    struct ledger_key *next; /* that waits */
};

/* Zeroed, then ledger_keys_init(). */
struct ledger_keys {
    pthread_mutex_t lock; /* of all that follows, and of the end of a key */
    struct arena arena;
    struct table index;
    unsigned count;
    struct ledger_key *first; /* those that wait */
};

void ledger_keys_init(struct ledger_keys *keys);
void ledger_keys_fini(struct ledger_keys *keys);
/* True: it is to be written. */
bool ledger_keys_note(struct ledger_keys *keys, uint64_t hash, int64_t end_ms, struct slice text);
bool ledger_keys_wait(struct ledger_keys *keys);

/* ---- the ledger's thread ---- */

/* Copies of those that wait, which one of the two below takes back; their texts stay till then. */
struct ledger_key *ledger_keys_take(struct ledger_keys *keys);
/* They were not written, and wait again. */
void ledger_keys_put_back(struct ledger_keys *keys, struct ledger_key *take_list);
/* They were: if there are too many by now, all are forgotten. */
void ledger_keys_written(struct ledger_keys *keys, struct ledger_key *take_list);

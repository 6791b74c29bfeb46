/*
 * redis_commands: the store's operations as scripts of Redis: how each is written (RESP, EVALSHA),
 * and how its reply is read. Knows neither sockets nor time-outs.
 *
 * The scripts (redis_scripts/NAME.lua, each behind common.lua) are loaded on every connection; a
 * NOSCRIPT reply means to load them again and repeat. They use the server's clock, return one
 * string, and each step takes effect at most once, by reservation id and step. Keys:
 *
 *   {STORE:TENANT}:v2:q:IDENTITY         usage of a tenant's rule
 *   {STORE:TENANT}:v2:each:IDENTITY      its part of a rule with `each: tenant`
 *   {STORE}:v2:q:IDENTITY[:VALUE]        usage of a rule over tenants
 *   {STORE:TENANT}:v2:r:ID               a reservation, or a tombstone of one that was called off
 *   {STORE:TENANT}:v2:open               keys of open reservations by their deadline
 *   {STORE}:v2:open                      of those that take of a rule over tenants; besides
 *   {STORE}:v2:gateways                  gateways by their last heartbeat
 *   {STORE}:v2:epoch                     made when the data began: gone when data was lost
 *   {STORE}:v2:refill                    who has handed in, after data was lost
 *   {STORE:TENANT}:v2:h:ID               a hand-over that was taken
 *   USAGE:by:LEDGER                      what a ledger has handed in, or over, for a window
 *   USAGE:later:LEDGER                   by how much it has corrected what was charged to it
 *
 * All but the epoch expire: usage and records a day after the last deadline, window or debt that
 * needs them. What a reservation holds is in its record, so that a step in doubt is settled as it
 * was taken (keys that were charged at once alone are named by the command that gives back).
 * Numbers are packed: see redis_scripts/common.lua; v2 in a key says in which form. Slots count
 * while their gateway beats or asks; the totals of all keys go by the records, which are charged at
 * their deadline. Totals above 2^52 forget half of what is settled and given back, so that doubles
 * count them. Redis 5 or newer.
 */
#pragma once

#include "base/buffer.h"
#include "base/status.h"
#include "limiter/store.h"

enum redis_script {
    SCRIPT_ADMIT, /* also for extensions */
    SCRIPT_SETTLE,
    SCRIPT_CALL_OFF,
    SCRIPT_HAND_OVER,
    SCRIPT_BEAT,   /* heartbeat, the gateways alive, what is overdue of some tenants */
    SCRIPT_READ,   /* one key's store_entry */
    SCRIPT_CHANGE, /* reset, raise */
    SCRIPT_HAND_IN,
    SCRIPT_CORRECT,
    SCRIPTS /* not a script; keep last */
};

struct redis_scripts; /* their texts and SHA-1; immutable, shared by all workers */
struct redis_scripts *redis_scripts_new(void);
void redis_scripts_free(struct redis_scripts *scripts); /* takes NULL */
/* SCRIPT LOAD of all, SCRIPTS replies. */
MUST_USE enum status redis_scripts_load(const struct redis_scripts *scripts, struct buffer *out);

/* The calendar windows that were looked up last, as an ask tells them. Zero-initialized is none. */
struct redis_windows {
    struct redis_window {
        char zone[48]; /* its name */
        enum limit_span span;
        unsigned days;
        int64_t start_ms, end_ms; /* what it is right for; 0: nothing */
        int64_t next_end_ms;
    } known[8];
    unsigned next; /* to be replaced */
};

enum { REDIS_STORE_NAME_MAX = 64 };

/* What all commands are written with. */
struct redis_namespace {
    const struct redis_scripts *scripts;
    const char *store;                                 /* store.name: see redis_namespace_name() */
    char shared_keys[3 * (REDIS_STORE_NAME_MAX + 48)]; /* open, gateways, epoch: as words */
    unsigned open_len, shared_len;                     /* of the first, of all three */
    char gateway[17];   /* this process's incarnation: 16 hex digits, new after it was held dead */
    bool has_beaten;    /* it is known to the store: if it is missing there, it was held dead */
    char epoch[17];     /* as last seen; "" before the first contact */
    char ledger[17];    /* who hands in: the same over restarts, if there is a ledger */
    bool has_ledger;    /* what is handed over is in what it hands in, too */
    bool handed_in;     /* it has, in this epoch */
    unsigned known;     /* gateways that were alive when data was lost; 0: none was */
    char candidate[17]; /* what a new epoch is made of, if there is none: this gateway's own */
    int64_t wall_ms;    /* the gateway's clock, with the server's offset added, for windows */
    struct redis_windows *windows; /* borrowed: one thread's; NULL: none, each is looked up */
};

/* `store`: store.name; borrowed. */
void redis_namespace_name(struct redis_namespace *ns, const char *store);

/* Each appends one whole command (one reply). STATUS_TOO_LARGE: the buffer is full; nothing stays.
 */
MUST_USE enum status redis_write_ask(const struct redis_namespace *ns,
                                     const struct reservation *reservation, struct buffer *out);
MUST_USE enum status redis_write_extend(const struct redis_namespace *ns,
                                        const struct reservation *reservation, struct buffer *out);
MUST_USE enum status redis_write_settle(const struct redis_namespace *ns,
                                        const struct reservation *reservation, struct buffer *out);
/* The ask that is in doubt: given back if it was taken, else a tombstone that refuses it. Of the
 * reservation, id, step, tenant and keys are read; an extension in doubt is settled instead. */
MUST_USE enum status redis_write_call_off(const struct redis_namespace *ns,
                                          const struct reservation *reservation,
                                          struct buffer *out);
/* Adds what was counted without the store; `id` makes it take effect once. `amount` may be
 * negative: a later settlement of something handed over before. */
struct hand_over {
    char id[33];
    const char *tenant;
    const struct limit *limit;
    struct slice key;
    int64_t amount;
    int64_t window_start_ms, window_end_ms; /* of windows: another one's amount is dropped */
};
MUST_USE enum status redis_write_hand_over(const struct redis_namespace *ns,
                                           const struct hand_over *hand_over, struct buffer *out);
/* What was charged to a window before the data was lost, or without the store, in all; may be said
 * again, and be another sum then. Or, if it has an edition, what was charged to it turned out to be
 * more, or less, in all: an older edition changes nothing, and neither does one of an older
 * `since`. */
struct hand_in {
    char epoch[17]; /* of the data that is to have it */
    struct slice key;
    uint64_t amount;
    int64_t start_ms, end_ms;
    int64_t edition; /* 0: it is no correction */
    int64_t since, correction;
};
MUST_USE enum status redis_write_hand_in(const struct redis_namespace *ns,
                                         const struct hand_in *hand_in, struct buffer *out);
/* `tenants`: whose overdue reservations are settled by it, 0 to 64 names. */
MUST_USE enum status redis_write_beat(const struct redis_namespace *ns, const char *const *tenants,
                                      unsigned count, struct buffer *out);
/* `tenant`: whose it is; of a rule over tenants it is not read: their open reservations have an
 * index of their own. */
MUST_USE enum status redis_write_read(const struct redis_namespace *ns, const struct limit *limit,
                                      struct slice key, const char *tenant, struct buffer *out);
/* As store_memory_reset() and _raise(); but a raise may be the first that a window hears of. */
enum redis_change { REDIS_RESET, REDIS_RAISE };
MUST_USE enum status redis_write_change(const struct redis_namespace *ns, enum redis_change change,
                                        const struct limit *limit, struct slice key,
                                        uint64_t amount, struct buffer *out);

/* The general part of a reply. */
struct redis_answer {
    int64_t server_ms;       /* the server's clock */
    unsigned gateways;       /* alive; 0: not told */
    bool data_lost;          /* there was no epoch, or another one than ns->epoch */
    bool declared_dead;      /* of a heartbeat: take a new incarnation */
    bool windows_lost;       /* nothing was taken, as windows are among what is lost */
    unsigned needed, handed; /* of a heartbeat: gateways that have to hand in, and that have */
    int64_t wait_ms;         /* for how long those are waited for */
    bool clock_off; /* no window of the demand covers the server's clock: ask again with wall_ms
                       corrected */
    char epoch[17]; /* the epoch now */
};
/* Of its hex digits; 0: there is none. */
uint64_t redis_epoch_number(const char *epoch);
/* Reads the reply to an ask or extension into the reservation's demands and state (HELD or REFUSED;
 * extension_refused). Refused with no demand refused: the step had been called off, the clock is
 * off, or there was nothing open to extend. STATUS_INVALID: not a reply of ours; state and what was
 * granted are as before. */
MUST_USE enum status redis_read_verdict(struct slice text, struct reservation *reservation,
                                        struct redis_answer *ret, struct error *err);
MUST_USE enum status redis_read_beat(struct slice text, struct redis_answer *ret,
                                     struct error *err);
MUST_USE enum status redis_read_entry(struct slice text, const struct limit *limit,
                                      struct store_entry *ret, struct error *err);

#include "limiter/redis_commands.h"

#include "limiter/redis_protocol.h"
#include "limiter/window.h"
#include "limiter/zone.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>
#include <string.h>

enum {
    EVALSHA_WORDS = 3, /* EVALSHA, hash, number of keys */
    RECORD_KEYS = 3,   /* see put_record_keys() */
    DEMAND_NUMBERS = 7,
    DEMAND_BYTES = 3 + DEMAND_NUMBERS * 8,
    STEP_NUMBERS = 5,
    STEP_BYTES_MAX = STEP_NUMBERS * 8 + 3 * 17 + RESERVATION_DEMANDS_MAX * DEMAND_BYTES,
};

/* ---- pieces ---- */

static void begin(struct resp *resp, const struct redis_namespace *ns, enum redis_script script,
                  struct buffer *out, unsigned keys, unsigned arguments)
{
    resp_begin_script(resp, out, EVALSHA_WORDS + keys + arguments, ns->scripts->hashes[script]);
    resp_number(resp, keys);
}

void redis_namespace_name(struct redis_namespace *ns, const char *store)
{
    struct slice name = slice_from(store);
    struct resp words = {.at = ns->shared_keys, .edge = ns->shared_keys + sizeof(ns->shared_keys)};
    assert(name.len <= REDIS_STORE_NAME_MAX); /* so there is room */
    resp_key(&words, name, SLICE(""), SLICE("open"), SLICE(""));
    ns->open_len = (unsigned)(words.at - ns->shared_keys);
    resp_key(&words, name, SLICE(""), SLICE("gateways"), SLICE(""));
    resp_key(&words, name, SLICE(""), SLICE("epoch"), SLICE(""));
    ns->shared_len = (unsigned)(words.at - ns->shared_keys);
    ns->store = store;
}

/* The record of a reservation and the indexes that it may be in: its tenant's, and that of all,
 * with which the shared keys begin: `shared_len` bytes of those are put. */
static void put_record_keys(struct resp *resp, const struct redis_namespace *ns,
                            const struct reservation *reservation, unsigned shared_len)
{
    struct slice id = slice_make(reservation->id, RESERVATION_ID_LEN);
    struct slice store = slice_from(ns->store);
    struct slice tenant = slice_from(reservation->tenant);
    resp_key(resp, store, tenant, SLICE("r:"), id);
    resp_key(resp, store, tenant, SLICE("open"), SLICE(""));
    resp_words(resp, slice_make(ns->shared_keys, shared_len));
}

static struct slice known_epoch(const struct redis_namespace *ns)
{
    return ns->epoch[0] == '\0' ? SLICE("-") : slice_from(ns->epoch);
}

static void put_epoch(struct resp *resp, const struct redis_namespace *ns)
{
    resp_text(resp, known_epoch(ns));
    resp_text(resp, slice_from(ns->candidate));
}

static struct slice kind_of(const struct limit *limit)
{
    switch (limit->span) {
    case LIMIT_RATE:
        return SLICE("r");
    case LIMIT_DAYS:
    case LIMIT_WEEK:
    case LIMIT_MONTH:
        return SLICE("w");
    case LIMIT_HELD:
        break;
    }
    return SLICE("h");
}

/* Numbers of a script are whole doubles: nothing larger than an amount is told. */
static uint64_t told(uint64_t number)
{
    return number < LIMIT_AMOUNT_MAX ? number : LIMIT_AMOUNT_MAX;
}

static uint64_t period_ms(const struct limit *limit)
{
    return (uint64_t)(limit->period / MSEC);
}

/* A double, little-endian, as the scripts unpack it. */
static char *pack_number(char *at, uint64_t number)
{
    double value = (double)number;
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    bits = htole64(bits);
    memcpy(at, &bits, sizeof(bits));
    return at + sizeof(bits);
}

/* With the zero behind it. */
static char *pack_text(char *at, struct slice text)
{
    memcpy(at, text.ptr, text.len);
    at[text.len] = '\0';
    return at + text.len + 1;
}

static const struct redis_window *find_window(const struct redis_windows *windows,
                                              const struct limit *limit, int64_t wall_ms)
{
    for (size_t i = 0; i < sizeof(windows->known) / sizeof(windows->known[0]); i++) {
        const struct redis_window *known = &windows->known[i];
        if (wall_ms >= known->start_ms && wall_ms < known->end_ms && known->span == limit->span &&
            known->days == limit->days && strcmp(known->zone, zone_name(limit->zone)) == 0) {
            return known;
        }
    }
    return NULL;
}

static void keep_window(struct redis_windows *windows, const struct limit *limit,
                        const struct window *window)
{
    struct slice zone = slice_from(zone_name(limit->zone));
    struct redis_window *known = &windows->known[windows->next];
    if (zone.len < sizeof(known->zone)) {
        windows->next = (windows->next + 1) % (sizeof(windows->known) / sizeof(windows->known[0]));
        *known = (struct redis_window){.span = limit->span,
                                       .days = limit->days,
                                       .start_ms = window->start_ms,
                                       .end_ms = window->end_ms,
                                       .next_end_ms = window->next_end_ms};
        memcpy(known->zone, zone.ptr, zone.len);
    }
}

/* The window at the gateway's clock. */
static struct window find_or_look_up(const struct redis_namespace *ns, const struct limit *limit)
{
    const struct redis_window *known =
        ns->windows == NULL ? NULL : find_window(ns->windows, limit, ns->wall_ms);
    if (known != NULL) {
        return (struct window){known->start_ms, known->end_ms, known->next_end_ms};
    }
    struct window window = window_at(limit, ns->wall_ms);
    if (ns->windows != NULL) {
        keep_window(ns->windows, limit, &window);
    }
    return window;
}

/* See redis_scripts/admit.lua. */
static char *pack_demand(char *at, const struct redis_namespace *ns, const struct demand *demand)
{
    const struct limit *limit = demand->limit;
    char settles = limit_settles(limit) ? 1 : 0;
    *at++ = kind_of(limit).ptr[0];
    *at++ = limit->action == LIMIT_DENY;
    *at++ = (char)(settles + (settles && limit_over_tenants(limit)));
    at = pack_number(at, limit_warn_mark(limit));
    at = pack_number(at, demand->fixed);
    at = pack_number(at, demand->per_output);
    at = pack_number(at, limit_whole(limit));
    if (limit->span == LIMIT_RATE) {
        at = pack_number(at, limit->amount);
        at = pack_number(at, period_ms(limit));
        return pack_number(at, 0);
    }
    struct window window = {0};
    if (limit->span != LIMIT_HELD) {
        window = find_or_look_up(ns, limit);
    }
    at = pack_number(at, (uint64_t)window.start_ms);
    at = pack_number(at, (uint64_t)window.end_ms);
    return pack_number(at, (uint64_t)window.next_end_ms);
}

/* ---- reservations ---- */

enum step_mode { STEP_ASKS, STEP_EXTENDS };

/* A share of what is left is looked for by looking twice, so only where the output is limited. */
static unsigned share_of(const struct reservation *reservation)
{
    for (unsigned i = 0; i < reservation->count; i++) {
        const struct demand *demand = &reservation->demands[i];
        if (demand->per_output > 0 && demand->limit->action == LIMIT_DENY) {
            return reservation->output_share;
        }
    }
    return 0;
}

static size_t pack_step(char out[STEP_BYTES_MAX], const struct redis_namespace *ns,
                        const struct reservation *reservation, enum step_mode mode)
{
    assert(reservation->count <= RESERVATION_DEMANDS_MAX);
    char *at = pack_number(out, reservation->step);
    at = pack_number(at, mode == STEP_EXTENDS);
    at = pack_number(at, (uint64_t)(reservation->lifetime / MSEC));
    at = pack_number(at, told(reservation->output_want));
    at = pack_number(at, share_of(reservation));
    at = pack_text(at, slice_from(ns->gateway));
    at = pack_text(at, known_epoch(ns));
    at = pack_text(at, slice_from(ns->candidate));
    for (unsigned i = 0; i < reservation->count; i++) {
        at = pack_demand(at, ns, &reservation->demands[i]);
    }
    return (size_t)(at - out);
}

static enum status write_step(const struct redis_namespace *ns,
                              const struct reservation *reservation, enum step_mode mode,
                              struct buffer *out)
{
    struct resp resp;
    char step[STEP_BYTES_MAX];
    begin(&resp, ns, SCRIPT_ADMIT, out, RECORD_KEYS + 2 + reservation->count, 1);
    put_record_keys(&resp, ns, reservation, ns->shared_len);
    for (unsigned i = 0; i < reservation->count; i++) {
        resp_text(&resp, reservation->demands[i].key);
    }
    resp_text(&resp, slice_make(step, pack_step(step, ns, reservation, mode)));
    return resp_end(&resp);
}

enum status redis_write_ask(const struct redis_namespace *ns, const struct reservation *reservation,
                            struct buffer *out)
{
    return write_step(ns, reservation, STEP_ASKS, out);
}

enum status redis_write_extend(const struct redis_namespace *ns,
                               const struct reservation *reservation, struct buffer *out)
{
    return write_step(ns, reservation, STEP_EXTENDS, out);
}

enum status redis_write_settle(const struct redis_namespace *ns,
                               const struct reservation *reservation, struct buffer *out)
{
    struct resp resp;
    char used[RESERVATION_DEMANDS_MAX * 8];
    char *at = used;
    assert(reservation->count <= RESERVATION_DEMANDS_MAX);
    begin(&resp, ns, SCRIPT_SETTLE, out, RECORD_KEYS + reservation->count, 1);
    put_record_keys(&resp, ns, reservation, ns->open_len);
    for (unsigned i = 0; i < reservation->count; i++) {
        resp_text(&resp, reservation->demands[i].key);
    }
    for (unsigned i = 0; i < reservation->count; i++) {
        at = pack_number(at, told(reservation->demands[i].used));
    }
    resp_text(&resp, slice_make(used, (size_t)(at - used)));
    return resp_end(&resp);
}

enum status redis_write_call_off(const struct redis_namespace *ns,
                                 const struct reservation *reservation, struct buffer *out)
{
    struct resp resp;
    begin(&resp, ns, SCRIPT_CALL_OFF, out, RECORD_KEYS + reservation->count, 1);
    put_record_keys(&resp, ns, reservation, ns->open_len);
    for (unsigned i = 0; i < reservation->count; i++) {
        resp_text(&resp, reservation->demands[i].key);
    }
    resp_number(&resp, reservation->step);
    return resp_end(&resp);
}

/* ---- the rest ---- */

/* What a script advances a rate by; of others 0. */
static void put_rate(struct resp *resp, const struct limit *limit)
{
    bool rate = limit->span == LIMIT_RATE;
    resp_number(resp, rate ? (int64_t)limit->amount : 0);
    resp_number(resp, rate ? (int64_t)period_ms(limit) : 0);
}

enum { MARK_BYTES = LIMIT_KEY_MAX + 32 };

/* What this ledger said of a window last. */
static void put_mark(struct resp *resp, const struct redis_namespace *ns, struct slice key,
                     const char *kind)
{
    char mark[MARK_BYTES];
    int len = snprintf(mark, sizeof(mark), "%.*s:%s:%s", (int)key.len, key.ptr, kind, ns->ledger);
    resp_text(resp, slice_make(mark, (size_t)len));
}

enum status redis_write_hand_over(const struct redis_namespace *ns,
                                  const struct hand_over *hand_over, struct buffer *out)
{
    struct resp resp;
    bool marks = ns->has_ledger && limit_span_is_window(hand_over->limit->span);
    begin(&resp, ns, SCRIPT_HAND_OVER, out, marks ? 3 : 2, 6);
    resp_key(&resp, slice_from(ns->store), slice_from(hand_over->tenant), SLICE("h:"),
             slice_from(hand_over->id));
    resp_text(&resp, hand_over->key);
    if (marks) {
        put_mark(&resp, ns, hand_over->key, "by");
    }
    resp_text(&resp, kind_of(hand_over->limit));
    resp_number(&resp, hand_over->amount);
    resp_number(&resp, hand_over->window_start_ms);
    resp_number(&resp, hand_over->window_end_ms);
    put_rate(&resp, hand_over->limit);
    return resp_end(&resp);
}

enum status redis_write_beat(const struct redis_namespace *ns, const char *const *tenants,
                             unsigned count, struct buffer *out)
{
    struct resp resp;
    begin(&resp, ns, SCRIPT_BEAT, out, 4 + count, 7);
    resp_key(&resp, slice_from(ns->store), SLICE(""), SLICE("gateways"), SLICE(""));
    resp_key(&resp, slice_from(ns->store), SLICE(""), SLICE("epoch"), SLICE(""));
    resp_key(&resp, slice_from(ns->store), SLICE(""), SLICE("open"), SLICE(""));
    resp_key(&resp, slice_from(ns->store), SLICE(""), SLICE("refill"), SLICE(""));
    for (unsigned i = 0; i < count; i++) {
        resp_key(&resp, slice_from(ns->store), slice_from(tenants[i]), SLICE("open"), SLICE(""));
    }
    resp_text(&resp, slice_from(ns->gateway));
    resp_text(&resp, ns->has_beaten ? SLICE("0") : SLICE("1"));
    put_epoch(&resp, ns);
    resp_number(&resp, ns->known);
    resp_text(&resp, slice_from(ns->ledger));
    resp_text(&resp, ns->handed_in ? SLICE("1") : SLICE("0"));
    return resp_end(&resp);
}

static int64_t within_bounds(int64_t correction)
{
    int64_t most = (int64_t)LIMIT_AMOUNT_MAX;
    return correction > most ? most : correction < -most ? -most : correction;
}

enum status redis_write_hand_in(const struct redis_namespace *ns, const struct hand_in *hand_in,
                                struct buffer *out)
{
    struct resp resp;
    bool corrects = hand_in->edition > 0;
    begin(&resp, ns, corrects ? SCRIPT_CORRECT : SCRIPT_HAND_IN, out, 3, corrects ? 6 : 4);
    resp_text(&resp, hand_in->key);
    put_mark(&resp, ns, hand_in->key, corrects ? "later" : "by");
    resp_key(&resp, slice_from(ns->store), SLICE(""), SLICE("epoch"), SLICE(""));
    resp_text(&resp, slice_from(hand_in->epoch));
    if (corrects) {
        resp_number(&resp, within_bounds(hand_in->correction));
        resp_number(&resp, hand_in->since);
        resp_number(&resp, hand_in->edition);
    } else {
        resp_number(&resp, (int64_t)told(hand_in->amount));
    }
    resp_number(&resp, hand_in->start_ms);
    resp_number(&resp, hand_in->end_ms);
    return resp_end(&resp);
}

enum status redis_write_read(const struct redis_namespace *ns, const struct limit *limit,
                             struct slice key, const char *tenant, struct buffer *out)
{
    struct resp resp;
    begin(&resp, ns, SCRIPT_READ, out, 4, 3);
    resp_text(&resp, key);
    resp_key(&resp, slice_from(ns->store), slice_from(limit_over_tenants(limit) ? NULL : tenant),
             SLICE("open"), SLICE(""));
    resp_key(&resp, slice_from(ns->store), SLICE(""), SLICE("open"), SLICE(""));
    resp_key(&resp, slice_from(ns->store), SLICE(""), SLICE("gateways"), SLICE(""));
    resp_text(&resp, kind_of(limit));
    put_rate(&resp, limit);
    return resp_end(&resp);
}

enum status redis_write_change(const struct redis_namespace *ns, enum redis_change change,
                               const struct limit *limit, struct slice key, uint64_t amount,
                               struct buffer *out)
{
    struct resp resp;
    struct window window =
        limit_span_is_window(limit->span) ? window_at(limit, ns->wall_ms) : (struct window){0};
    begin(&resp, ns, SCRIPT_CHANGE, out, 1, 8);
    resp_text(&resp, key);
    resp_text(&resp, change == REDIS_RAISE ? SLICE("raise") : SLICE("reset"));
    resp_text(&resp, kind_of(limit));
    put_rate(&resp, limit);
    resp_number(&resp, (int64_t)told(amount));
    resp_number(&resp, window.start_ms);
    resp_number(&resp, window.end_ms);
    resp_number(&resp, window.next_end_ms);
    return resp_end(&resp);
}

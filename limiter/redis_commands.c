#include "limiter/redis_commands.h"

#include "limiter/redis_protocol.h"
#include "limiter/window.h"
#include "limiter/zone.h"

#include <assert.h>
#include <string.h>

enum {
    FLAG_DENY = 1,
    FLAG_SETTLES = 2,
    FLAG_OVER_TENANTS = 4,
    DEMAND_TEXT_MAX = 12 * RESP_NUMBER_MAX,
    EVALSHA_WORDS = 3, /* EVALSHA, hash, number of keys */
    RECORD_KEYS = 3,   /* see put_record_keys() */
};

/* ---- pieces ---- */

static void begin(struct resp *resp, const struct redis_namespace *ns, enum redis_script script,
                  struct buffer *out, unsigned keys, unsigned arguments)
{
    resp_begin(resp, out, EVALSHA_WORDS + keys + arguments);
    resp_text(resp, SLICE("EVALSHA"));
    resp_text(resp, slice_make(ns->scripts->hashes[script], (size_t)2 * SHA1_BYTES));
    resp_number(resp, keys);
}

/* The record of a reservation and the indexes that it may be in. */
static void put_record_keys(struct resp *resp, const struct redis_namespace *ns,
                            const struct reservation *reservation)
{
    struct slice id = slice_make(reservation->id, RESERVATION_ID_LEN);
    struct slice store = slice_from(ns->store);
    struct slice tenant = slice_from(reservation->tenant);
    resp_key(resp, store, tenant, SLICE("r:"), id);
    resp_key(resp, store, tenant, SLICE("open"), SLICE(""));
    resp_key(resp, store, SLICE(""), SLICE("open"), SLICE(""));
}

static void put_epoch(struct resp *resp, const struct redis_namespace *ns)
{
    resp_text(resp, ns->epoch[0] == '\0' ? SLICE("-") : slice_from(ns->epoch));
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
static int64_t told(uint64_t number)
{
    return (int64_t)(number < LIMIT_AMOUNT_MAX ? number : LIMIT_AMOUNT_MAX);
}

static uint64_t period_ms(const struct limit *limit)
{
    return (uint64_t)(limit->period / MSEC);
}

static size_t put_word(char *out, size_t len, uint64_t number)
{
    out[len++] = ' ';
    if (number < 10) {
        out[len++] = (char)('0' + number);
        return len;
    }
    return len + resp_digits(number, out + len);
}

static size_t put_new_window(char *out, size_t len, const struct window *window)
{
    len = put_word(out, len, (uint64_t)window->start_ms);
    len = put_word(out, len, (uint64_t)window->end_ms);
    return put_word(out, len, (uint64_t)window->next_end_ms);
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
                                       .end_ms = window->end_ms};
        memcpy(known->zone, zone.ptr, zone.len);
        known->len = (unsigned)put_new_window(known->text, 0, window);
    }
}

/* " start end next_end" of the window at the gateway's clock. */
static size_t put_window(char *out, size_t len, const struct redis_namespace *ns,
                         const struct limit *limit)
{
    const struct redis_window *known =
        ns->windows == NULL ? NULL : find_window(ns->windows, limit, ns->wall_ms);
    if (known != NULL) {
        memcpy(out + len, known->text, sizeof(known->text)); /* of a fixed size: it is quicker */
        return len + known->len;
    }
    struct window window = window_at(limit, ns->wall_ms);
    if (ns->windows != NULL) {
        keep_window(ns->windows, limit, &window);
    }
    return put_new_window(out, len, &window);
}

/* One word for each demand: see redis_scripts/admit.lua. */
static void put_demand(struct resp *resp, const struct redis_namespace *ns,
                       const struct demand *demand)
{
    char text[DEMAND_TEXT_MAX];
    const struct limit *limit = demand->limit;
    int flags = (limit->action == LIMIT_DENY ? FLAG_DENY : 0) +
                (limit_settles(limit) ? FLAG_SETTLES : 0) +
                (limit_over_tenants(limit) ? FLAG_OVER_TENANTS : 0);
    size_t len = 1;
    text[0] = kind_of(limit).ptr[0];
    len = put_word(text, len, (uint64_t)flags);
    len = put_word(text, len, limit->warn_percent);
    len = put_word(text, len, demand->fixed);
    len = put_word(text, len, demand->per_output);
    len = put_word(text, len, limit->amount);
    if (limit->span == LIMIT_RATE) {
        len = put_word(text, len, limit->burst);
        len = put_word(text, len, period_ms(limit));
    } else if (limit->span != LIMIT_HELD) {
        len = put_window(text, len, ns, limit);
    }
    resp_text(resp, slice_make(text, len));
}

/* ---- reservations ---- */

static enum status write_step(const struct redis_namespace *ns,
                              const struct reservation *reservation, struct slice mode,
                              struct buffer *out)
{
    struct resp resp;
    begin(&resp, ns, SCRIPT_ADMIT, out, RECORD_KEYS + 2 + reservation->count,
          8 + reservation->count);
    put_record_keys(&resp, ns, reservation);
    resp_key(&resp, slice_from(ns->store), SLICE(""), SLICE("gateways"), SLICE(""));
    resp_key(&resp, slice_from(ns->store), SLICE(""), SLICE("epoch"), SLICE(""));
    for (unsigned i = 0; i < reservation->count; i++) {
        resp_text(&resp, reservation->demands[i].key);
    }
    resp_number(&resp, reservation->step);
    resp_text(&resp, mode);
    resp_number(&resp, reservation->lifetime / MSEC);
    resp_number(&resp, told(reservation->output_want));
    resp_number(&resp, reservation->output_share);
    resp_text(&resp, slice_from(ns->gateway));
    put_epoch(&resp, ns);
    for (unsigned i = 0; i < reservation->count; i++) {
        put_demand(&resp, ns, &reservation->demands[i]);
    }
    return resp_end(&resp);
}

enum status redis_write_ask(const struct redis_namespace *ns, const struct reservation *reservation,
                            struct buffer *out)
{
    return write_step(ns, reservation, SLICE("a"), out);
}

enum status redis_write_extend(const struct redis_namespace *ns,
                               const struct reservation *reservation, struct buffer *out)
{
    return write_step(ns, reservation, SLICE("e"), out);
}

enum status redis_write_settle(const struct redis_namespace *ns,
                               const struct reservation *reservation, struct buffer *out)
{
    struct resp resp;
    begin(&resp, ns, SCRIPT_SETTLE, out, RECORD_KEYS + reservation->count, reservation->count);
    put_record_keys(&resp, ns, reservation);
    for (unsigned i = 0; i < reservation->count; i++) {
        resp_text(&resp, reservation->demands[i].key);
    }
    for (unsigned i = 0; i < reservation->count; i++) {
        resp_number(&resp, told(reservation->demands[i].used));
    }
    return resp_end(&resp);
}

enum status redis_write_call_off(const struct redis_namespace *ns,
                                 const struct reservation *reservation, struct buffer *out)
{
    struct resp resp;
    begin(&resp, ns, SCRIPT_CALL_OFF, out, RECORD_KEYS + reservation->count, 1);
    put_record_keys(&resp, ns, reservation);
    for (unsigned i = 0; i < reservation->count; i++) {
        resp_text(&resp, reservation->demands[i].key);
    }
    resp_number(&resp, reservation->step);
    return resp_end(&resp);
}

/* ---- the rest ---- */

/* "amount/period" of a rate, "-" else: what a script advances a rate by. */
static void put_rate(struct resp *resp, const struct limit *limit)
{
    char text[2 * RESP_NUMBER_MAX + 1];
    if (limit->span != LIMIT_RATE) {
        resp_text(resp, SLICE("-"));
        return;
    }
    size_t len = resp_digits(limit->amount, text);
    text[len++] = '/';
    len += resp_digits(period_ms(limit), text + len);
    resp_text(resp, slice_make(text, len));
}

/* When a window that begins there is over at the latest, whatever its zone: a hand-over's limit is
 * a copy that outlives its zone. */
static int64_t latest_end_ms(const struct limit *limit, int64_t start_ms)
{
    static const int64_t day_ms = 24 * 3600 * 1000;
    switch (limit->span) {
    case LIMIT_DAYS:
        return start_ms + (limit->days + 2) * day_ms;
    case LIMIT_WEEK:
        return start_ms + 9 * day_ms;
    case LIMIT_MONTH:
        return start_ms + 33 * day_ms;
    case LIMIT_RATE:
    case LIMIT_HELD:
        break;
    }
    return 0;
}

enum status redis_write_hand_over(const struct redis_namespace *ns,
                                  const struct hand_over *hand_over, struct buffer *out)
{
    struct resp resp;
    begin(&resp, ns, SCRIPT_HAND_OVER, out, 2, 5);
    resp_key(&resp, slice_from(ns->store), slice_from(hand_over->tenant), SLICE("h:"),
             slice_from(hand_over->id));
    resp_text(&resp, hand_over->key);
    resp_text(&resp, kind_of(hand_over->limit));
    resp_number(&resp, hand_over->amount);
    resp_number(&resp, hand_over->window_start_ms);
    resp_number(&resp, latest_end_ms(hand_over->limit, hand_over->window_start_ms));
    put_rate(&resp, hand_over->limit);
    return resp_end(&resp);
}

enum status redis_write_beat(const struct redis_namespace *ns, const char *const *tenants,
                             unsigned count, struct buffer *out)
{
    struct resp resp;
    begin(&resp, ns, SCRIPT_BEAT, out, 3 + count, 4);
    resp_key(&resp, slice_from(ns->store), SLICE(""), SLICE("gateways"), SLICE(""));
    resp_key(&resp, slice_from(ns->store), SLICE(""), SLICE("epoch"), SLICE(""));
    resp_key(&resp, slice_from(ns->store), SLICE(""), SLICE("open"), SLICE(""));
    for (unsigned i = 0; i < count; i++) {
        resp_key(&resp, slice_from(ns->store), slice_from(tenants[i]), SLICE("open"), SLICE(""));
    }
    resp_text(&resp, slice_from(ns->gateway));
    resp_text(&resp, ns->has_beaten ? SLICE("0") : SLICE("1"));
    put_epoch(&resp, ns);
    return resp_end(&resp);
}

enum status redis_write_read(const struct redis_namespace *ns, const struct limit *limit,
                             struct slice key, const char *tenant, struct buffer *out)
{
    struct resp resp;
    begin(&resp, ns, SCRIPT_READ, out, 4, 2);
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
    bool windowed = limit->span != LIMIT_RATE && limit->span != LIMIT_HELD;
    struct window window = windowed ? window_at(limit, ns->wall_ms) : (struct window){0};
    begin(&resp, ns, SCRIPT_CHANGE, out, 1, 7);
    resp_text(&resp, key);
    resp_text(&resp, change == REDIS_RAISE ? SLICE("raise") : SLICE("reset"));
    resp_text(&resp, kind_of(limit));
    put_rate(&resp, limit);
    resp_number(&resp, told(amount));
    resp_number(&resp, window.start_ms);
    resp_number(&resp, window.end_ms);
    resp_number(&resp, window.next_end_ms);
    return resp_end(&resp);
}

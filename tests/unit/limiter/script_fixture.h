/*
 * script_fixture: the scripts on a real Redis, command by command, at a time that is a variable: in
 * the scripts' texts alone, TIME is replaced by a list of the test's own. Each test has a store of
 * its own name. A file that includes it shares one server among its tests.
 */
#pragma once

#include "../../support/redis_server.h"
#include "base/memory.h"
#include "limiter/redis_protocol.h"
#include "limiter/zone.h"
#include "tests/support/redis_server.h"
#include "tests/unit/limiter/reservation_of.h"

#include <stdarg.h>

#include <criterion/criterion.h>
#include <hiredis/hiredis.h>

#define SHARED "SALLYPORT_TEST_REDIS_SCRIPTS"
#define HOUR   (INT64_C(3600) * 1000)
#define DAY    (24 * HOUR)
#define START  (20000 * DAY) /* a midnight in UTC; like all times here, in milliseconds */

static struct redis_server shared;

ReportHook(PRE_ALL)(struct criterion_test_set *tests)
{
    (void)tests;
    redis_server_start(&shared, &(struct redis_server_settings){.password = NULL});
    redis_server_share(&shared, SHARED);
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    (void)stats;
    redis_server_stop(&shared);
}

static redisContext *redis;
static redisReply *last_reply; /* owned */
static char store_name[32];
static struct redis_namespace ns;
static struct buffer out;
static struct arena arena;
static const struct zone *utc;
static int64_t now_ms;
static unsigned next_id;
static struct redis_answer answer; /* the last one */

/* ---- talking ---- */

/* The reply to one command: text, a number as text, "nil", or an error's text. */
static const char *reply_text(void)
{
    static char number[24];
    if (last_reply->type == REDIS_REPLY_INTEGER) {
        (void)snprintf(number, sizeof(number), "%lld", last_reply->integer);
        return number;
    }
    return last_reply->type == REDIS_REPLY_NIL ? "nil" : last_reply->str;
}

static const char *take_reply(int done, void *reply)
{
    cr_assert_eq(done, REDIS_OK, "%s", redis->errstr);
    if (last_reply != NULL) {
        freeReplyObject(last_reply);
    }
    last_reply = reply;
    return reply_text();
}

/* Any command, as for redisCommand(). */
__attribute__((format(printf, 1, 2))) static const char *command(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    void *reply = redisvCommand(redis, format, arguments);
    va_end(arguments);
    return take_reply(reply == NULL ? REDIS_ERR : REDIS_OK, reply);
}

/* What was written into `out`: one command. */
static const char *send_written(enum status written)
{
    void *reply = NULL;
    cr_assert_eq(written, STATUS_OK);
    struct slice bytes = buffer_bytes(&out);
    cr_assert_eq(redisAppendFormattedCommand(redis, bytes.ptr, bytes.len), REDIS_OK);
    buffer_consume(&out, bytes.len);
    int done = redisGetReply(redis, &reply);
    const char *text = take_reply(done, reply);
    cr_assert_neq(last_reply->type, REDIS_REPLY_ERROR, "%s", text);
    return text;
}

static void set_time(int64_t ms)
{
    now_ms = ms;
    ns.wall_ms = ms;
    (void)command("DEL clock:%s", store_name);
    (void)command("RPUSH clock:%s %lld %lld", store_name, (long long)(ms / 1000),
                  (long long)(ms % 1000 * 1000));
}

static inline void pass(int64_t ms)
{
    set_time(now_ms + ms);
}

/* ---- scripts that see the test's time ---- */

static void patch(struct redis_scripts *scripts, enum redis_script script, const char *clock)
{
    static const char call[] = "redis.call('TIME')";
    char *text = scripts->texts[script];
    char *found = strstr(text, call);
    cr_assert_not_null(found);
    size_t size = strlen(text) + strlen(clock) + 1;
    char *patched = memory_alloc(size);
    (void)snprintf(patched, size, "%.*s%s%s", (int)(found - text), text, clock,
                   found + strlen(call));
    memory_free(text);
    scripts->texts[script] = patched;
    (void)command("SCRIPT LOAD %s", patched);
    memcpy(scripts->hashes[script], reply_text(), (size_t)2 * SHA1_BYTES);
}

static void begin(void)
{
    struct redis_server server = redis_server_shared(SHARED);
    char clock[80];
    redis = redisConnectUnix(server.unix_path);
    cr_assert_eq(redis->err, 0, "%s", redis->errstr);
    buffer_init(&out, 1 << 20);
    (void)snprintf(store_name, sizeof(store_name), "test%d", (int)getpid());
    (void)snprintf(clock, sizeof(clock), "redis.call('LRANGE', 'clock:%s', 0, 1)", store_name);
    struct redis_scripts *scripts = redis_scripts_new();
    for (unsigned i = 0; i < SCRIPTS; i++) {
        if (strstr(scripts->texts[i], "server_ms()") != NULL) {
            patch(scripts, i, clock);
        }
    }
    ns = (struct redis_namespace){
        .scripts = scripts, .gateway = "aaaaaaaaaaaaaaaa", .candidate = "cccccccccccccccc"};
    redis_namespace_name(&ns, store_name);
    cr_assert_eq(zone_load(&arena, "UTC", &utc, NULL), STATUS_OK);
    set_time(START);
}

static void end(void)
{
    freeReplyObject(last_reply);
    last_reply = NULL;
    redisFree(redis);
    buffer_fini(&out);
    redis_scripts_free((struct redis_scripts *)ns.scripts);
    arena_fini(&arena);
}

/* ---- rules ---- */

static struct slice key_of(const char *name)
{
    char *text = arena_alloc(&arena, LIMIT_KEY_MAX);
    int len = snprintf(text, LIMIT_KEY_MAX, "{%s:shop}:v2:q:%s", store_name, name);
    return slice_make(text, (size_t)len);
}

static inline struct limit rate_of(enum limit_unit unit, uint64_t amount, int64_t period_ms)
{
    return (struct limit){.key = key_of("rate"),
                          .tenant = "shop",
                          .unit = unit,
                          .span = LIMIT_RATE,
                          .amount = amount,
                          .burst = amount,
                          .period = period_ms * MSEC};
}

static inline struct limit daily(enum limit_unit unit, uint64_t amount)
{
    return (struct limit){.key = key_of("day"),
                          .tenant = "shop",
                          .unit = unit,
                          .span = LIMIT_DAYS,
                          .days = 1,
                          .amount = amount,
                          .zone = utc};
}

static inline struct limit slots(uint64_t amount)
{
    return (struct limit){.key = key_of("slots"),
                          .tenant = "shop",
                          .unit = LIMIT_CONCURRENCY,
                          .span = LIMIT_HELD,
                          .amount = amount};
}

/* ---- reservations ---- */

/* A reservation of `count` limits, 1 fixed of each, for a minute. */
static inline struct reservation *reserve(unsigned count, ...)
{
    va_list limits;
    va_start(limits, count);
    struct reservation *reservation = reservation_of(count, limits);
    va_end(limits);
    (void)snprintf(reservation->id, sizeof(reservation->id), "%032x", ++next_id);
    reservation->tenant = "shop";
    reservation->step = 1;
    reservation->lifetime = 60 * SEC;
    return reservation;
}

static inline struct reservation *reserve_amount(const struct limit *limit, uint64_t amount)
{
    struct reservation *reservation = reserve(1, limit);
    reservation->demands[0].fixed = amount;
    return reservation;
}

/* The last reply, which is packed. */
static void read_verdict(const char *text, struct reservation *reservation)
{
    struct error err;
    struct slice verdict = slice_make(text, last_reply->len);
    cr_assert_eq(redis_read_verdict(verdict, reservation, &answer, &err), STATUS_OK, "\"%s\"",
                 text);
}

/* As store_redis does. True if it was admitted. */
static inline bool ask(struct reservation *reservation)
{
    reservation->output_granted = 0;
    for (unsigned i = 0; i < reservation->count; i++) {
        reservation->demands[i].granted = 0;
        reservation->demands[i].over = false;
    }
    read_verdict(send_written(redis_write_ask(&ns, reservation, &out)), reservation);
    return reservation->state == RESERVATION_HELD;
}

/* The next step. */
static inline bool extend(struct reservation *reservation)
{
    reservation->step++;
    reservation->extending = true;
    read_verdict(send_written(redis_write_extend(&ns, reservation, &out)), reservation);
    cr_assert_eq(reservation->state, RESERVATION_HELD);
    return !reservation->extension_refused;
}

/* What the script says: "S", "L" or "N". */
static inline const char *settle(struct reservation *reservation, uint64_t used)
{
    reservation->demands[0].used = used;
    return send_written(redis_write_settle(&ns, reservation, &out));
}

static inline const char *call_off(const struct reservation *reservation)
{
    return send_written(redis_write_call_off(&ns, reservation, &out));
}

/* Asks and settles: true if it was admitted. */
static inline bool use(const struct limit *limit, uint64_t amount)
{
    struct reservation *reservation = reserve_amount(limit, amount);
    bool admitted = ask(reservation);
    (void)settle(reservation, amount);
    reservation_free(reservation);
    return admitted;
}

static inline struct store_entry read_entry(const struct limit *limit)
{
    struct store_entry entry;
    struct error err;
    const char *text = send_written(redis_write_read(&ns, limit, limit->key, "shop", &out));
    cr_assert_eq(redis_read_entry(slice_from(text), limit, &entry, &err), STATUS_OK, "\"%s\"",
                 text);
    return entry;
}

/* What the limit's key has counted. It always adds up. */
static inline struct store_entry entry_of(const struct limit *limit)
{
    struct store_entry entry = read_entry(limit);
    cr_assert(store_entry_adds_up(&entry), "%s", reply_text());
    cr_assert_eq(entry.reserved, entry.open, "%s", reply_text());
    return entry;
}

static inline void beat(const char *const *tenants, unsigned count)
{
    struct error err;
    const char *text = send_written(redis_write_beat(&ns, tenants, count, &out));
    cr_assert_eq(redis_read_beat(slice_from(text), &answer, &err), STATUS_OK, "\"%s\"", text);
}

/* The store by itself: hours pass at once, and batches are called off. */
#include "base/digest.h"
#include "base/memory.h"
#include "gateway/webhook/queue_store.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/gateway/webhook/queue_recounts.h"

#define HOUR (3600 * SEC)
#define DAY  (24 * HOUR)

static struct scratch_folder folder;
static const char *path;
static struct queue_store *store;
static struct error err;
static const usec_t start = 1700000000 * SEC;
static struct queue_limits limits;

#define OK(expr) cr_assert_eq((expr), STATUS_OK, "%s", err.message)

static int64_t ask(const char *sql)
{
    sqlite3_stmt *statement = NULL;
    cr_assert_eq(sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL), SQLITE_OK, "%s",
                 sqlite3_errmsg(store->db));
    int64_t number =
        sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
    (void)sqlite3_finalize(statement);
    return number;
}

/* These lose no power: no sync is waited for. */
static void reopen(void)
{
    queue_store_close(TAKE(store));
    OK(queue_store_open(path, &store, &err));
    (void)ask("PRAGMA synchronous = OFF");
}

static void setup(void)
{
    scratch_make(&folder);
    path = scratch_path(&folder, "webhooks.db");
    limits = (struct queue_limits){
        .keep = 7 * DAY, .max_age = 7 * DAY, .max_events = 1000000, .max_bytes = 1U << 30};
    reopen();
}

static void teardown(void)
{
    queue_store_close(store);
    scratch_remove(&folder);
}

TestSuite(queue_store, .init = setup, .fini = teardown, .timeout = 60);

static struct queue_put an_event(const char *event)
{
    struct queue_put put = {.hook = SLICE("stripe"),
                            .event_id = slice_from(event),
                            .body = SLICE("{}"),
                            .targets = {{.name = SLICE("billing")}},
                            .target_count = 1};
    queue_make_id(start, put.id);
    digest_sha256(slice_from(event), put.key);
    return put;
}

static enum queue_put_result put_it(struct queue_put *put, usec_t now)
{
    OK(queue_store_begin(store, &err));
    OK(queue_store_put(store, &limits, put, now, &err));
    OK(queue_store_commit(store, &err));
    return put->result;
}

static enum queue_put_result put(const char *event, usec_t now)
{
    struct queue_put one = an_event(event);
    return put_it(&one, now);
}

static struct queue_delivery *take(usec_t now)
{
    struct queue_take one = {.hook = "stripe", .target = "billing", .most = 1};
    OK(queue_store_take(store, &one, now, &err));
    return one.first;
}

static void settle(struct queue_delivery *delivery, enum queue_outcome outcome, usec_t now)
{
    struct queue_settlement settlement = {
        .take_delivery = delivery, .outcome = outcome, .due = now};
    cr_assert_not_null(delivery);
    OK(queue_store_begin(store, &err));
    OK(queue_store_settle(store, &settlement, now, &err));
    OK(queue_store_commit(store, &err));
    queue_under_way_remove(&store->under_way, delivery->number);
    memory_free(delivery);
}

/* All steps of it. */
static unsigned expire(usec_t now)
{
    unsigned steps = 0;
    bool more = true;
    for (; more; steps++) {
        OK(queue_store_begin(store, &err));
        OK(queue_store_expire(store, &limits, now, &more, &err));
        OK(queue_store_commit(store, &err));
    }
    return steps;
}

/* ---- time ---- */

Test(queue_store, a_repeat_is_known_for_three_days)
{
    cr_expect_eq(put("a", start), QUEUE_STORED);
    cr_expect_eq(put("a", start + QUEUE_SEEN - 1), QUEUE_DUPLICATE);
    cr_expect_eq(put("a", start + QUEUE_SEEN), QUEUE_STORED);
    cr_expect_eq(put("a", start + QUEUE_SEEN + 1), QUEUE_DUPLICATE);
    cr_expect_eq(put("a", start), QUEUE_DUPLICATE); /* a clock that was set back */
}

Test(queue_store, what_was_seen_goes_after_that_and_no_earlier)
{
    struct queue_put two = an_event("b");
    two.content_known = true;
    memset(two.content, 0xff, sizeof(two.content));
    (void)put("a", start);
    (void)put_it(&two, start + HOUR);
    (void)expire(start + QUEUE_SEEN - 1);
    cr_expect_eq(ask("SELECT count(*) FROM seen"), 3);
    (void)expire(start + QUEUE_SEEN);
    cr_expect_eq(ask("SELECT count(*) FROM seen"), 2);
    (void)expire(start - DAY);
    cr_expect_eq(ask("SELECT count(*) FROM seen"), 2);
    (void)expire(start + HOUR + QUEUE_SEEN);
    cr_expect_eq(ask("SELECT count(*) FROM seen"), 0);
}

/* More than a step looks at. */
Test(queue_store, all_that_was_seen_is_looked_through)
{
    enum { MANY = 2500 };
    OK(queue_store_begin(store, &err));
    for (unsigned i = 0; i < MANY; i++) {
        struct queue_put one = an_event("a");
        one.target_count = 0;
        random_bytes(one.key, sizeof(one.key));
        OK(queue_store_put(store, &limits, &one, start, &err));
    }
    OK(queue_store_commit(store, &err));
    for (unsigned i = 0; i < 3; i++) {
        cr_expect_gt(ask("SELECT count(*) FROM seen"), 0);
        (void)expire(start + QUEUE_SEEN);
    }
    cr_expect_eq(ask("SELECT count(*) FROM seen"), 0);
}

Test(queue_store, delivered_ones_are_kept_for_replays_and_no_longer)
{
    (void)put("a", start);
    (void)put("b", start);
    (void)put("c", start);
    settle(take(start), QUEUE_DELIVERED, start);
    settle(take(start), QUEUE_DEAD, start);
    (void)expire(start + limits.keep);
    cr_expect_eq(store->totals.events, 3U);
    limits.max_age = 100 * DAY;
    (void)expire(start + limits.keep + 1);
    cr_expect_eq(store->totals.events, 2U); /* what is dead, or waits, stays */
    cr_expect_eq(ask("SELECT count(*) FROM events WHERE event_id = 'a'"), 0);
    cr_expect_eq(store->targets.all[0]->counts[QUEUE_STATE_DELIVERED], 0U);
    (void)expire(start + 50 * DAY);
    cr_expect_eq(store->totals.events, 2U);
}

Test(queue_store, what_waits_for_too_long_is_dead_and_says_why)
{
    struct queue_put line[3] = {an_event("a"), an_event("b"), an_event("c")};
    for (unsigned i = 0; i < 3; i++) {
        line[i].targets[0].ordered = true;
        (void)put_it(&line[i], start + (usec_t)i * DAY);
    }
    (void)expire(start + limits.max_age);
    cr_expect_eq(store->targets.all[0]->counts[QUEUE_STATE_DEAD], 0U);
    (void)expire(start + limits.max_age + DAY + 1);
    cr_expect_eq(store->targets.all[0]->counts[QUEUE_STATE_DEAD], 2U);
    cr_expect_eq(ask("SELECT count(*) FROM deliveries WHERE state = 3 AND attempts = 0 AND "
                     "error LIKE '%webhook_queue.max_age'"),
                 2);
    struct queue_delivery *next = take(start + 8 * DAY + 1); /* the third of the line */
    cr_assert_not_null(next);
    cr_expect_eq(next->event_id.ptr[0], 'c');
    (void)expire(start + 100 * DAY); /* not while it is under way */
    cr_expect_eq(store->targets.all[0]->counts[QUEUE_STATE_WAITING], 1U);
    settle(next, QUEUE_AGAIN, start + 100 * DAY);
    (void)expire(start + 100 * DAY);
    cr_expect_eq(store->targets.all[0]->counts[QUEUE_STATE_DEAD], 3U);
}

Test(queue_store, a_replayed_one_is_as_young_as_its_replay)
{
    struct queue_change change = {.kind = QUEUE_REPLAY};
    struct queue_change_run run = {.change = &change};
    (void)put("a", start);
    settle(take(start), QUEUE_DEAD, start);
    OK(queue_store_begin(store, &err));
    OK(queue_store_change(store, &run, start + 10 * DAY, &err));
    OK(queue_store_commit(store, &err));
    cr_expect_eq(run.count, 1U);
    (void)expire(start + 11 * DAY);
    usec_t oldest = 0;
    OK(queue_store_oldest(store, &oldest, &err));
    cr_expect_eq(oldest, start + 10 * DAY);
    (void)expire(start + 18 * DAY);
    cr_expect_eq(store->targets.all[0]->counts[QUEUE_STATE_DEAD], 1U);
}

Test(queue_store, expiry_goes_in_small_steps)
{
    enum { MANY = 250 };
    for (unsigned i = 0; i < MANY; i++) {
        (void)put(arena_print(&folder.arena, "%u", i), start);
        settle(take(start), QUEUE_DELIVERED, start);
    }
    cr_expect_eq(expire(start + limits.keep + 1), 3U);
    cr_expect_eq(store->totals.events, 0U);
}

Test(queue_store, a_smaller_bound_is_reached_bit_by_bit)
{
    for (unsigned i = 0; i < 150; i++) {
        (void)put(arena_print(&folder.arena, "%u", i), start);
        settle(take(start), QUEUE_DELIVERED, start + i);
    }
    limits.max_events = 10;
    cr_expect_eq(put("new", start), QUEUE_STORED);
    cr_expect_gt(store->totals.events, 10U);
    (void)expire(start);
    cr_expect_eq(store->totals.events, 10U);
    cr_expect_eq(ask("SELECT count(*) FROM events WHERE event_id = 'new'"), 1);
    cr_expect_eq(ask("SELECT count(*) FROM events WHERE event_id = '149'"), 1); /* the youngest */
}

Test(queue_store, the_oldest_is_of_what_is_open)
{
    usec_t oldest = 1;
    OK(queue_store_oldest(store, &oldest, &err));
    cr_expect_eq(oldest, 0);
    (void)put("a", start);
    (void)put("b", start + HOUR);
    OK(queue_store_oldest(store, &oldest, &err));
    cr_expect_eq(oldest, start);
    settle(take(start), QUEUE_DEAD, start);
    OK(queue_store_oldest(store, &oldest, &err));
    cr_expect_eq(oldest, start + HOUR);
}

/* ---- batches ---- */

Test(queue_store, a_batch_that_is_called_off_leaves_nothing)
{
    struct queue_put one = an_event("a");
    OK(queue_store_begin(store, &err));
    OK(queue_store_put(store, &limits, &one, start, &err));
    cr_expect_eq(store->totals.events, 1U);
    queue_store_call_off(store);
    cr_expect_eq(store->totals.events, 0U);
    cr_expect_eq(store->targets.count, 0U);
    cr_expect_null(take(start));
    cr_expect_eq(put("a", start), QUEUE_STORED);
    cr_expect_eq(ask("SELECT count(*) FROM events"), 1);
    queue_store_call_off(store); /* again does no harm */
    cr_expect_eq(store->totals.events, 1U);
}

Test(queue_store, one_that_is_moved_away_is_not_written)
{
    const char *elsewhere = scratch_path(&folder, "elsewhere");
    OK(queue_store_begin(store, &err));
    OK(queue_store_commit(store, &err));
    cr_assert_eq(rename(path, elsewhere), 0);
    cr_expect_eq(queue_store_begin(store, &err), STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(err.message, "moved or deleted"), "%s", err.message);
    cr_assert_eq(rename(elsewhere, path), 0);
    cr_expect_eq(put("a", start), QUEUE_STORED);
}

Test(queue_store, space_is_used_again)
{
    enum { ROUNDS = 6, EVENTS = 200, BYTES = 4000 };
    int64_t pages = 0;
    char *body = memory_alloc(BYTES);
    for (unsigned round = 0; round < ROUNDS; round++) {
        usec_t now = start + (usec_t)round * 8 * DAY;
        for (unsigned i = 0; i < EVENTS; i++) {
            struct queue_put one = an_event(arena_print(&folder.arena, "%u-%u", round, i));
            one.body = slice_make(body, BYTES);
            (void)put_it(&one, now);
            settle(take(now), QUEUE_DELIVERED, now);
        }
        (void)expire(now + limits.keep + 1);
        pages = round == 1 ? ask("PRAGMA page_count") : pages;
    }
    cr_expect_leq(ask("PRAGMA page_count"), pages + 10);
    memory_free(body);
}

/* A bound of pages stands for a disk: what is settled, and deleted, makes room. */
Test(queue_store, full_is_a_failure_that_leaves_the_batch_undone)
{
    char *body = memory_alloc(10000);
    enum status status = STATUS_OK;
    unsigned stored = 0;
    (void)ask("PRAGMA max_page_count = 100");
    while (status == STATUS_OK) {
        struct queue_put one = an_event(arena_print(&folder.arena, "%u", stored));
        one.body = slice_make(body, 10000);
        OK(queue_store_begin(store, &err));
        status = queue_store_put(store, &limits, &one, start, &err);
        status = status == STATUS_OK ? queue_store_commit(store, &err) : status;
        stored += status == STATUS_OK;
        cr_assert_lt(stored, 100U);
    }
    cr_expect_eq(status, STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(err.message, "full"), "%s", err.message);
    queue_store_call_off(store);
    cr_expect_eq(store->totals.events, stored);
    cr_expect_eq(ask("SELECT count(*) FROM events"), stored);
    settle(take(start), QUEUE_DELIVERED, start);
    (void)expire(start + limits.keep + 1);
    struct queue_put next = an_event("next");
    next.body = slice_make(body, 5000);
    cr_expect_eq(put_it(&next, start), QUEUE_STORED);
    memory_free(body);
}

/* ---- many things at random: what is counted is what is there ---- */

static void recount(unsigned step)
{
    for (size_t i = 0; i < QUEUE_RECOUNTS; i++) {
        cr_assert_eq(ask(queue_recounts[i]), 0, "step %u: %s", step, queue_recounts[i]);
    }
}

static unsigned any(unsigned below)
{
    static uint32_t state = 12345;
    state = state * 1664525U + 1013904223U;
    return (state >> 8) % below;
}

static struct queue_delivery *under_way[64];
static unsigned under_way_count;

static void put_any(usec_t now)
{
    static const char *const names[] = {"billing", "mail", "crm"};
    struct queue_put one = an_event(arena_print(&folder.arena, "%u", any(100000)));
    one.received_at = now;
    one.target_count = 1 + any(3);
    for (unsigned i = 0; i < one.target_count; i++) {
        one.targets[i] = (struct queue_put_target){
            .name = slice_from(names[i]), .ordered = any(2) == 0, .order = any(4)};
    }
    OK(queue_store_put(store, &limits, &one, now, &err));
}

static void take_any(usec_t now)
{
    static const char *const names[] = {"billing", "mail", "crm"};
    struct queue_take one = {
        .hook = "stripe", .target = names[any(3)], .most = 1 + any(4), .most_bytes = 1000};
    if (under_way_count > 50) {
        return;
    }
    OK(queue_store_take(store, &one, now, &err));
    for (struct queue_delivery *at = one.first; at != NULL; at = at->next) {
        under_way[under_way_count++] = at;
    }
}

static void settle_any(usec_t now)
{
    if (under_way_count == 0) {
        return;
    }
    unsigned at = any(under_way_count);
    struct queue_settlement settlement = {.take_delivery = under_way[at],
                                          .outcome = (enum queue_outcome)any(4),
                                          .due = now + (usec_t)any(3) * HOUR};
    OK(queue_store_settle(store, &settlement, now, &err));
    queue_under_way_remove(&store->under_way, under_way[at]->number);
    memory_free(under_way[at]);
    under_way[at] = under_way[--under_way_count];
}

static void change_any(usec_t now)
{
    static const char *const names[] = {"billing", "mail", "crm"};
    struct queue_change change = {
        .kind = any(2) == 0 ? QUEUE_REPLAY : QUEUE_DROP,
        .filter = {.target = slice_from(names[any(3)]), .states = 1 + any(15), .since = now - HOUR},
        .per_second = any(2)};
    struct queue_change_run run = {.change = &change};
    OK(queue_store_change(store, &run, now, &err));
}

Test(queue_store, what_is_counted_is_what_is_there)
{
    enum { STEPS = 6000 };
    usec_t now = start;
    bool more;
    limits = (struct queue_limits){
        .keep = 20 * HOUR, .max_age = 30 * HOUR, .max_events = 80, .max_bytes = 1000};
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned what = any(100);
        now += (usec_t)any(20) * 60 * SEC;
        take_any(now);
        OK(queue_store_begin(store, &err));
        for (unsigned i = any(3); i > 0; i--) {
            put_any(now);
            settle_any(now);
        }
        if (what < 5) {
            change_any(now);
        } else if (what < 20) {
            OK(queue_store_expire(store, &limits, now, &more, &err));
        }
        OK(queue_store_commit(store, &err));
        if (what == 99) {
            while (under_way_count > 0) {
                memory_free(under_way[--under_way_count]);
            }
            reopen();
        }
        if (step % 50 == 0 || what == 99) {
            recount(step);
        }
    }
    recount(STEPS);
    while (under_way_count > 0) {
        memory_free(under_way[--under_way_count]);
    }
}

/* ---- what it costs ---- */

/* One after the other. */
static void put_many(unsigned from, unsigned count, bool ordered, usec_t now)
{
    OK(queue_store_begin(store, &err));
    for (unsigned i = 0; i < count; i++) {
        struct queue_put one = an_event(arena_print(&folder.arena, "%u", from + i));
        one.targets[0].ordered = ordered;
        OK(queue_store_put(store, &limits, &one, now + i, &err));
    }
    OK(queue_store_commit(store, &err));
}

/* Steps of the search for what is due. */
static int steps_of_a_take(usec_t now)
{
    sqlite3_stmt *due = queue_statement(store, QUEUE_DELIVERIES_DUE);
    (void)sqlite3_stmt_status(due, SQLITE_STMTSTATUS_VM_STEP, 1);
    struct queue_delivery *one = take(now);
    cr_assert_not_null(one);
    memory_free(one); /* and stays under way */
    return sqlite3_stmt_status(due, SQLITE_STMTSTATUS_VM_STEP, 1);
}

Test(queue_store, what_is_due_is_found_at_once_however_much_waits)
{
    usec_t now = start + 10000;
    put_many(0, 10, false, start);
    (void)steps_of_a_take(now);
    int few = steps_of_a_take(now);
    put_many(100, 1000, true, start + 10); /* held back, but for one */
    put_many(2000, 1000, false, start + DAY);
    put_many(4000, 1000, false, start + 20);
    (void)steps_of_a_take(now);          /* from the first again: there is news */
    for (unsigned i = 0; i < 500; i++) { /* are under way in the end */
        cr_assert_leq(steps_of_a_take(now), few + 5, "%u", i);
    }
}

/* ---- the set ---- */

Test(queue_under_way, numbers_come_and_go)
{
    enum { MANY = 2000 };
    struct queue_under_way set = {0};
    cr_expect_not(queue_under_way_has(&set, 5));
    for (int64_t i = 1; i <= MANY; i++) {
        queue_under_way_add(&set, i * 16);
    }
    for (int64_t i = 1; i <= MANY; i += 2) {
        queue_under_way_remove(&set, i * 16);
    }
    for (int64_t i = 1; i <= MANY; i++) {
        cr_expect_eq(queue_under_way_has(&set, i * 16), i % 2 == 0, "%d", (int)i);
        cr_expect_not(queue_under_way_has(&set, i * 16 + 1));
    }
    cr_expect_eq(set.count, MANY / 2U);
    queue_under_way_fini(&set);
}

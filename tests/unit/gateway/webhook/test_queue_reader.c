#include "gateway/webhook/queue_reader.h"
#include "tests/unit/gateway/webhook/queue_rig.h"

static struct queue_reader *reader;
static char told[4000];
static unsigned told_count;
static int64_t last_number;

static void setup(void)
{
    rig_setup();
    OK(queue_reader_open(path, &reader, &err));
}

static void teardown(void)
{
    queue_reader_close(reader);
    rig_teardown();
}

TestSuite(queue_reader, .init = setup, .fini = teardown, .timeout = 60);

static void add(const char *format, ...) PRINTF_LIKE(1, 2);
static void add(const char *format, ...)
{
    va_list arguments;
    size_t len = strlen(told);
    va_start(arguments, format);
    (void)vsnprintf(told + len, sizeof(told) - len, format, arguments);
    va_end(arguments);
}

static void tell(void *ctx, const struct queue_entry *entry)
{
    (void)ctx;
    add("%s%.*s", told[0] == '\0' ? "" : " ", SLICE_ARG(entry->event_id));
    if (!slice_equal(entry->target, SLICE("billing"))) {
        add(":%.*s", SLICE_ARG(entry->target));
    }
    last_number = entry->number;
    told_count++;
}

static const char *page(struct queue_filter filter, int64_t before, unsigned most)
{
    told[0] = '\0';
    told_count = 0;
    OK(queue_reader_list(reader, &filter, before, most, NULL, tell, &err));
    return told;
}

static const char *list(struct queue_filter filter)
{
    return page(filter, 0, 1000);
}

#define LIST(...) list((struct queue_filter){__VA_ARGS__})

static void put_to(const char *event, const char *hook, const char *target, const char *type)
{
    struct queue_put put = an_event(event);
    put.hook = slice_from(hook);
    put.type = slice_from(type);
    put.targets[0].name = slice_from(target);
    cr_assert_eq(put_it(&put), QUEUE_STORED);
}

/* a: delivered, b: dead, c: waits, d: the same object's, held back. */
static void put_one_of_each(void)
{
    put_event("a");
    settle(take_one(), QUEUE_DELIVERED, 0);
    put_event("b");
    settle(take_one(), QUEUE_DEAD, 0);
    put_ordered("c", 7);
    put_ordered("d", 7);
}

Test(queue_reader, lists_the_newest_first_in_pages)
{
    for (unsigned i = 0; i < 7; i++) {
        put_event(arena_print(&folder.arena, "%u", i));
    }
    cr_expect_str_eq(page((struct queue_filter){0}, 0, 3), "6 5 4");
    cr_expect_str_eq(page((struct queue_filter){0}, last_number, 3), "3 2 1");
    cr_expect_str_eq(page((struct queue_filter){0}, last_number, 3), "0");
    cr_expect_str_eq(page((struct queue_filter){0}, last_number, 3), "");
    cr_expect_str_eq(page((struct queue_filter){0}, 0, 0), "");
    unsigned waiting = 1U << QUEUE_STATE_WAITING;
    cr_expect_str_eq(page((struct queue_filter){.states = waiting}, 0, 3), "6 5 4");
    cr_expect_str_eq(page((struct queue_filter){.states = waiting}, last_number, 9), "3 2 1 0");
}

Test(queue_reader, lists_by_state)
{
    static const struct {
        unsigned states;
        const char *expected;
    } cases[] = {
        {0, "d c b a"},
        {1U << QUEUE_STATE_DELIVERED, "a"},
        {1U << QUEUE_STATE_DEAD, "b"},
        {1U << QUEUE_STATE_WAITING, "c"},
        {1U << QUEUE_STATE_HELD_BACK, "d"},
        {1U << QUEUE_STATE_HELD_BACK | 1U << QUEUE_STATE_DEAD, "d b"},
        {1U << QUEUE_STATE_WAITING | 1U << QUEUE_STATE_DELIVERED, "c a"},
        {1U << 4, ""}, /* none has that name */
    };
    put_one_of_each();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_str_eq(LIST(.states = cases[i].states), cases[i].expected, "%zu: %s", i, told);
    }
}

Test(queue_reader, lists_by_hook_target_and_type)
{
    put_to("a", "stripe", "billing", "invoice.paid");
    put_to("b", "stripe", "mail", "invoice.paid");
    put_to("c", "github", "billing", "push");
    cr_expect_str_eq(LIST(.hook = SLICE("stripe")), "b:mail a");
    cr_expect_str_eq(LIST(.target = SLICE("billing")), "c a");
    cr_expect_str_eq(LIST(.type = SLICE("push")), "c");
    cr_expect_str_eq(LIST(.hook = SLICE("stripe"), .target = SLICE("mail")), "b:mail");
    cr_expect_str_eq(LIST(.hook = SLICE("github"), .target = SLICE("mail")), "");
    cr_expect_str_eq(LIST(.hook = SLICE("' OR 1 --")), "");
    cr_expect_str_eq(LIST(.hook = SLICE("stripe"), .states = 1U << QUEUE_STATE_WAITING),
                     "b:mail a");
}

Test(queue_reader, lists_by_either_id)
{
    struct queue_put put = an_event("a");
    put.targets[1].name = SLICE("mail");
    put.target_count = 2;
    put_it(&put);
    put_event("b");
    struct queue_put none = an_event("");
    hash_of("none", none.key);
    put_it(&none);
    cr_expect_str_eq(LIST(.id = slice_from(put.id)), "a:mail a");
    cr_expect_str_eq(LIST(.id = SLICE("a")), "a:mail a");
    cr_expect_str_eq(LIST(.id = SLICE("b")), "b");
    cr_expect_str_eq(LIST(.id = SLICE("x")), "");
    cr_expect_str_eq(LIST(.id = SLICE("a"), .target = SLICE("mail")), "a:mail");
    cr_expect_str_eq(LIST(.id = SLICE("a"), .states = 1U << QUEUE_STATE_DEAD), "");
}

Test(queue_reader, lists_by_time_also_where_clocks_went_back)
{
    static const usec_t times[] = {100 * SEC, 200 * SEC, 150 * SEC, 300 * SEC};
    for (unsigned i = 0; i < 4; i++) {
        struct queue_put put = an_event(arena_print(&folder.arena, "%u", i));
        put.received_at = times[i];
        put_it(&put);
    }
    cr_expect_str_eq(LIST(.since = 150 * SEC), "3 2 1");
    cr_expect_str_eq(LIST(.until = 200 * SEC), "2 0");
    cr_expect_str_eq(LIST(.since = 150 * SEC, .until = 200 * SEC), "2");
    cr_expect_str_eq(LIST(.since = 301 * SEC), "");
    cr_expect_str_eq(LIST(.since = 150 * SEC, .states = 1U << QUEUE_STATE_WAITING), "3 2 1");
}

static void note(void *ctx, const struct queue_entry *entry)
{
    struct queue_entry *ret = ctx;
    *ret = *entry;
    ret->error.ptr = arena_copy(&folder.arena, entry->error).ptr;
}

Test(queue_reader, an_entry_says_what_became_of_it)
{
    struct queue_entry entry = {0};
    struct queue_filter any = {0};
    usec_t due = clock_wall() + 100 * SEC;
    struct queue_put put = an_event("a");
    put_it(&put);
    settle(take_one(), QUEUE_AGAIN, due);
    settle_down();
    OK(queue_reader_list(reader, &any, 0, 1, &entry, note, &err));
    cr_expect_eq(entry.state, QUEUE_STATE_WAITING);
    cr_expect_eq(entry.attempts, 1U);
    cr_expect_eq(entry.status, 500U);
    cr_expect(slice_equal(entry.error, SLICE("it said 500")));
    cr_expect_eq(entry.due, due);
    cr_expect_eq(entry.ended_at, 0);
    cr_expect_eq(entry.received_at, put.received_at);
    cr_expect_eq(entry.bytes, put.body.len);
    cr_expect_not(entry.suspect);
    (void)change_of(QUEUE_REPLAY, any, 0);
    usec_t before = clock_wall();
    settle(take_one(), QUEUE_DELIVERED, 0);
    settle_down();
    OK(queue_reader_list(reader, &any, 0, 1, &entry, note, &err));
    cr_expect_eq(entry.state, QUEUE_STATE_DELIVERED);
    cr_expect_eq(entry.due, 0);
    cr_expect_geq(entry.ended_at, before);
    cr_expect_eq(entry.status, 200U);
    cr_expect_eq(entry.error.len, 0U);
}

static void tell_sum(void *ctx, struct slice hook, struct slice target, enum queue_state state,
                     uint64_t count, usec_t oldest)
{
    (void)ctx;
    add("%.*s/%.*s %s %u%s, ", SLICE_ARG(hook), SLICE_ARG(target), queue_state_name(state),
        (unsigned)count, oldest == 0 ? "" : " old");
}

static const char *sums(void)
{
    told[0] = '\0';
    OK(queue_reader_sums(reader, NULL, tell_sum, &err));
    return told;
}

Test(queue_reader, sums_by_hook_target_and_state)
{
    cr_expect_str_eq(sums(), "");
    put_one_of_each();
    put_to("e", "github", "ci", "push");
    put_to("f", "github", "ci", "push");
    cr_expect_str_eq(sums(), "github/ci waiting 2 old, stripe/billing waiting 1 old, "
                             "stripe/billing held_back 1 old, stripe/billing delivered 1, "
                             "stripe/billing dead 1 old, ");
    (void)change_of(QUEUE_DROP, (struct queue_filter){0}, 0);
    cr_expect_str_eq(sums(), "");
}

static void show_event(void *ctx, const struct queue_entry *entry, struct slice fields,
                       struct slice body)
{
    (void)ctx;
    add("%.*s %.*s %.*s|%.*s|%.*s|", SLICE_ARG(entry->hook), SLICE_ARG(entry->event_id),
        SLICE_ARG(entry->type), SLICE_ARG(fields), SLICE_ARG(body));
}

static void show_delivery(void *ctx, const struct queue_entry *entry)
{
    (void)ctx;
    add("%.*s %s|", SLICE_ARG(entry->target), queue_state_name(entry->state));
}

Test(queue_reader, shows_one_event_with_all_its_deliveries)
{
    struct queue_put put = an_event("a");
    put.targets[1].name = SLICE("mail");
    put.target_count = 2;
    put_it(&put);
    settle(take_one(), QUEUE_DELIVERED, 0);
    settle_down();
    told[0] = '\0';
    OK(queue_reader_show(reader, slice_from(put.id), NULL, show_event, show_delivery, &err));
    cr_expect_str_eq(told, "stripe a invoice.paid|Stripe-Signature: t=1\r\n|"
                           "{\"object\": \"event\"}|billing delivered|mail waiting|");
    cr_expect_eq(queue_reader_show(reader, SLICE("a"), NULL, show_event, show_delivery, &err),
                 STATUS_NOT_FOUND);
    cr_expect_not_null(strstr(err.message, "webhook-id"), "%s", err.message);
}

Test(queue_reader, bytes_that_are_no_text_are_told_as_they_are)
{
    struct queue_entry entry = {0};
    struct queue_filter any = {0};
    struct queue_put put = an_event("a");
    put.type = slice_make("\xff\0x", 3);
    put.fields = slice_make("\0", 1);
    put.body = (struct slice){0};
    put_it(&put);
    OK(queue_reader_list(reader, &any, 0, 1, &entry, note, &err));
    cr_expect_eq(entry.type.len, 3U);
    cr_expect_eq(entry.bytes, 0U);
    struct queue_delivery *delivery = take_one();
    cr_expect(slice_equal(delivery->type, put.type));
    cr_expect(slice_equal(delivery->fields, put.fields));
    cr_expect_eq(delivery->body.len, 0U);
    memory_free(delivery);
}

/* More wait than are sorted: they are walked by number. */
Test(queue_reader, a_list_of_many_is_the_same)
{
    enum { MANY = 20100, AT_ONCE = 100 };
    static struct queue_put puts[AT_ONCE];
    put_event("first");
    settle(take_one(), QUEUE_DEAD, 0);
    for (unsigned i = 0; i < MANY; i += AT_ONCE) {
        for (unsigned k = 0; k < AT_ONCE; k++) {
            puts[k] = an_event("");
            random_bytes(puts[k].key, sizeof(puts[k].key));
            queue_put(queue, &puts[k]);
        }
        await_answers(AT_ONCE);
    }
    unsigned states = 1U << QUEUE_STATE_WAITING | 1U << QUEUE_STATE_DEAD;
    (void)page((struct queue_filter){.states = states}, 0, MANY + 100);
    cr_expect_eq(told_count, MANY + 1U);
    cr_expect_eq(last_number, 16);
}

Test(queue_reader, what_is_no_queue_is_refused)
{
    struct queue_reader *other = NULL;
    cr_expect_eq(queue_reader_open(scratch_path(&folder, "none.db"), &other, &err),
                 STATUS_NOT_FOUND);
    cr_expect_not_null(strstr(err.message, "none.db\": there is no such file"), "%s", err.message);
    scratch_write_text(&folder, "text.db", "this is a text that is no database at all, is it?");
    cr_expect_eq(queue_reader_open(scratch_path(&folder, "text.db"), &other, &err),
                 STATUS_UNAVAILABLE);
    scratch_write_text(&folder, "empty.db", "");
    cr_expect_eq(queue_reader_open(scratch_path(&folder, "empty.db"), &other, &err),
                 STATUS_NOT_FOUND);
}

Test(queue_reader, it_reads_while_the_queue_writes_and_never_writes)
{
    put_event("a");
    cr_expect_str_eq(LIST(0), "a");
    put_event("b");
    cr_expect_str_eq(LIST(0), "b a");
    rig_restart();
    put_event("c");
    cr_expect_str_eq(LIST(0), "c b a");
}

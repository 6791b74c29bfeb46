#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/exchange/price_memo.h"
#include "routes/price.h"

#include <criterion/criterion.h>

enum { NAMES = 40, ROUNDS = 4000, TEXT_MAX = 4096 };

static const char one[] =
    "{\"as_of\": \"2026-01-02\", \"source\": \"a list\", \"models\": {"
    "\"small\": {\"input\": \"0.15\", \"output\": \"0.60\", \"context\": 1000},"
    "\"smell\": {\"input\": \"0.16\", \"output\": \"0.61\", \"context\": 1000},"
    "\"large\": {\"input\": \"2.50\", \"output\": \"10.00\", \"context\": 1000000}}}";
static const char other[] = "{\"as_of\": \"2026-01-02\", \"source\": \"a list\", \"models\": {"
                            "\"small\": {\"input\": \"1\", \"output\": \"2\", \"context\": 1000}}}";

static const struct price_list *read_list(struct arena *arena, const char *json)
{
    struct price_list *list = NULL;
    struct error err = {0};
    cr_assert_eq(price_list_read(arena, SLICE("test"), slice_from(json), &list, &err), STATUS_OK,
                 "%s", err.message);
    return list;
}

static void expect_found(struct price_memo *memo, const struct price_list *list, struct slice name)
{
    bool wanted_stands_in = false;
    bool stands_in = false;
    const struct price *wanted = price_for(list, name, &wanted_stands_in);
    cr_assert_eq(price_memo_find(memo, list, name, &stands_in), wanted, "%.*s", SLICE_ARG(name));
    cr_assert_eq(stands_in, wanted_stands_in, "%.*s", SLICE_ARG(name));
}

Test(price_memo, finds_what_the_list_has)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct price_list *lists[] = {read_list(&arena, one), read_list(&arena, other)};
    static const char *const names[] = {"small", "smell", "large", "unknown", "", "smallx"};
    struct price_memo memo = {0};
    char long_name[PRICE_MEMO_NAME + 2];
    memset(long_name, 'x', sizeof(long_name));
    unsigned seed = 3;
    for (unsigned i = 0; i < ROUNDS; i++) {
        seed = seed * 1103515245U + 12345U;
        const struct price_list *list = lists[seed >> 30 & 1];
        expect_found(&memo, list, slice_from(names[(seed >> 16) % 6]));
        expect_found(&memo, list, slice_make(long_name, sizeof(long_name) - (seed >> 8) % 4));
    }
}

Test(price_memo, a_name_that_is_known_is_not_looked_for_until_it_is_forgotten)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct price_list *list = read_list(&arena, one);
    struct price_memo memo = {0};
    bool stands_in = false;
    const struct price *small = price_memo_find(&memo, list, SLICE("small"), &stands_in);
    for (unsigned i = 0; i < PRICE_MEMO_SLOTS; i++) {
        if (memo.found[i].list != NULL) {
            memo.found[i].stands_in = true; /* seen where it is taken from here */
        }
    }
    cr_assert_eq(price_memo_find(&memo, list, SLICE("small"), &stands_in), small);
    cr_assert(stands_in);
    price_memo_forget(&memo);
    cr_assert_eq(price_memo_find(&memo, list, SLICE("small"), &stands_in), small);
    cr_assert_not(stands_in);
}

Test(price_memo, writes_a_price_the_same_each_time)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    const struct price_list *list = read_list(&arena, one);
    static const char *const names[] = {"small", "smell", "large"};
    static const char *const wanted[] = {
        "{\"model\":\"small\",\"input\":150000000,\"output\":600000000}",
        "{\"model\":\"smell\",\"input\":160000000,\"output\":610000000}",
        "{\"model\":\"large\",\"input\":2500000000,\"output\":10000000000}",
    };
    struct price_memo memo = {0};
    for (unsigned i = 0; i < NAMES; i++) {
        struct buffer out CLEANUP(buffer_fini);
        bool stands_in;
        buffer_init(&out, TEXT_MAX);
        const struct price *price = price_for(list, slice_from(names[i % 3]), &stands_in);
        cr_assert_eq(buffer_append(&out, SLICE("before ")), STATUS_OK);
        cr_assert_eq(price_memo_write(&memo, price, &out), STATUS_OK);
        cr_assert(slice_equal(slice_skip(buffer_bytes(&out), 7), slice_from(wanted[i % 3])), "%.*s",
                  SLICE_ARG(buffer_bytes(&out)));
    }
}

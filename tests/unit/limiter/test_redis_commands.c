/* How commands are written, and how replies are read; and that the server takes them. */
#include "base/digest.h"
#include "script_fixture.h"

TestSuite(redis_commands, .init = begin, .fini = end, .timeout = 60);

static const char zeros[] = "00000000000000000000000000000000";

/* What is in the buffer, with another name for the hash, which changes with the scripts. */
static const char *written(enum redis_script script)
{
    static char text[2048];
    struct slice bytes = buffer_bytes(&out);
    cr_assert_lt(bytes.len, sizeof(text));
    (void)snprintf(text, sizeof(text), "%.*s", SLICE_ARG(bytes));
    char *hash = strstr(text, ns.scripts->hashes[script]);
    cr_assert_not_null(hash);
    memset(hash, 'H', (size_t)2 * SHA1_BYTES);
    return text;
}

static void set_names(struct reservation *reservation)
{
    ns.store = "s";
    ns.wall_ms = START + 1;
    memcpy(reservation->id, zeros, sizeof(reservation->id));
    reservation->tenant = "t";
}

#define HASH "$40\r\nHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH\r\n"

Test(redis_commands, an_ask_is_one_command_with_a_word_for_each_demand)
{
    struct limit rate = rate_of(LIMIT_COST, LIMIT_AMOUNT_MAX, HOUR);
    struct limit month = daily(LIMIT_REQUESTS, 10);
    struct limit held = slots(3);
    rate.key = SLICE("k1");
    rate.warn_percent = 80;
    rate.burst = 7;
    month.key = SLICE("k2");
    month.span = LIMIT_MONTH;
    month.tenant = NULL;
    month.action = LIMIT_WARN;
    held.key = SLICE("k3");
    held.tenant = NULL;
    held.each = EACH_TENANT;
    struct reservation *reservation = reserve(3, &rate, &month, &held);
    set_names(reservation);
    reservation->step = 2;
    reservation->output_want = 1000;
    reservation->output_share = 4;
    reservation->demands[0].fixed = LIMIT_AMOUNT_MAX;
    reservation->demands[0].per_output = 12;
    cr_expect_eq(redis_write_ask(&ns, reservation, &out), STATUS_OK);
    cr_expect_str_eq(written(SCRIPT_ADMIT),
                     "*22\r\n$7\r\nEVALSHA\r\n" HASH "$1\r\n8\r\n"
                     "$43\r\n{s:t}:v1:r:00000000000000000000000000000000\r\n"
                     "$13\r\n{s:t}:v1:open\r\n$11\r\n{s}:v1:open\r\n$15\r\n{s}:v1:gateways\r\n"
                     "$12\r\n{s}:v1:epoch\r\n$2\r\nk1\r\n$2\r\nk2\r\n$2\r\nk3\r\n"
                     "$1\r\n2\r\n$1\r\na\r\n$5\r\n60000\r\n$4\r\n1000\r\n$1\r\n4\r\n"
                     "$16\r\naaaaaaaaaaaaaaaa\r\n$1\r\n-\r\n$16\r\ncccccccccccccccc\r\n"
                     "$53\r\nr 3 80 9000000000000000 12 9000000000000000 7 3600000\r\n"
                     "$54\r\nw 4 0 1 0 10 1727740800000 1730419200000 1733011200000\r\n"
                     "$11\r\nh 3 0 1 0 3\r\n");
    reservation_free(reservation);
}

Test(redis_commands, rules_over_tenants_are_marked)
{
    struct limit limit = slots(3);
    limit.tenant = NULL;
    struct reservation *reservation = reserve(1, &limit);
    cr_expect_eq(redis_write_ask(&ns, reservation, &out), STATUS_OK);
    cr_expect_not_null(strstr(written(SCRIPT_ADMIT), "\r\nh 7 0 1 0 3\r\n"));
    reservation_free(reservation);
}

Test(redis_commands, a_settlement_says_what_each_demand_used)
{
    struct limit rate = rate_of(LIMIT_COST, 1000, HOUR);
    struct limit held = slots(3);
    rate.key = SLICE("k1");
    held.key = SLICE("k2");
    struct reservation *reservation = reserve(2, &rate, &held);
    set_names(reservation);
    reservation->demands[0].used = UINT64_MAX; /* no script counts so far */
    reservation->demands[1].used = 1;
    cr_expect_eq(redis_write_settle(&ns, reservation, &out), STATUS_OK);
    cr_expect_str_eq(written(SCRIPT_SETTLE),
                     "*10\r\n$7\r\nEVALSHA\r\n" HASH "$1\r\n5\r\n"
                     "$43\r\n{s:t}:v1:r:00000000000000000000000000000000\r\n"
                     "$13\r\n{s:t}:v1:open\r\n$11\r\n{s}:v1:open\r\n$2\r\nk1\r\n$2\r\nk2\r\n"
                     "$16\r\n9000000000000000\r\n$1\r\n1\r\n");
    reservation_free(reservation);
}

Test(redis_commands, a_negative_hand_over_has_its_sign)
{
    struct limit limit = rate_of(LIMIT_TOKENS, 600, 60000);
    struct hand_over debt = {
        .id = "i", .tenant = "t", .limit = &limit, .key = SLICE("k"), .amount = INT64_MIN + 1};
    ns.store = "s";
    cr_expect_eq(redis_write_hand_over(&ns, &debt, &out), STATUS_OK);
    cr_expect_str_eq(written(SCRIPT_HAND_OVER),
                     "*10\r\n$7\r\nEVALSHA\r\n" HASH "$1\r\n2\r\n$12\r\n{s:t}:v1:h:i\r\n$1\r\nk\r\n"
                     "$1\r\nr\r\n$20\r\n-9223372036854775807\r\n$1\r\n0\r\n$1\r\n0\r\n"
                     "$9\r\n600/60000\r\n");
}

Test(redis_commands, numbers_of_all_lengths_are_written)
{
    uint64_t power = 1;
    for (unsigned digits = 1; digits <= 20; digits++) {
        const uint64_t numbers[] = {power - 1, power, power + 1, power * 9 + 9, power / 3 * 7};
        for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
            char text[RESP_NUMBER_MAX];
            char expected[RESP_NUMBER_MAX];
            size_t len = resp_digits(numbers[i], text);
            (void)snprintf(expected, sizeof(expected), "%llu", (unsigned long long)numbers[i]);
            cr_expect(slice_equal(slice_make(text, len), slice_from(expected)), "%s", expected);
        }
        power *= digits < 20 ? 10 : 1;
    }
}

/* Whatever was asked for before: other zones, spans, and times before and behind a border. */
Test(redis_commands, windows_that_are_kept_are_those_that_would_be_looked_up)
{
    static const char *const names[] = {"UTC", "Europe/Berlin", "America/St_Johns"};
    struct redis_windows windows = {.next = 0};
    for (unsigned i = 0; i < 3000; i++) {
        struct limit limit = daily(LIMIT_REQUESTS, 9);
        limit.span = LIMIT_DAYS + i % 3;
        limit.days = 1 + i / 3 % 2;
        cr_assert_eq(zone_load(&arena, names[i / 6 % 3], &limit.zone, NULL), STATUS_OK);
        struct reservation *reservation = reserve(1, &limit);
        ns.wall_ms = START + (int64_t)(i / 18) * HOUR - (i / 900 == 2 ? 40 * DAY : 0);
        ns.windows = NULL;
        cr_assert_eq(redis_write_ask(&ns, reservation, &out), STATUS_OK);
        size_t half = buffer_len(&out);
        ns.windows = &windows;
        cr_assert_eq(redis_write_ask(&ns, reservation, &out), STATUS_OK);
        cr_assert_eq(buffer_len(&out), 2 * half);
        cr_assert_eq(memcmp(buffer_bytes(&out).ptr, buffer_bytes(&out).ptr + half, half), 0,
                     "%u: %s", i, buffer_bytes(&out).ptr);
        buffer_consume(&out, buffer_len(&out));
        reservation_free(reservation);
    }
    struct limit limit = daily(LIMIT_REQUESTS, 9);
    struct reservation *reservation = reserve(1, &limit);
    cr_expect_eq(redis_write_ask(&ns, reservation, &out), STATUS_OK);
    unsigned next = windows.next;
    cr_expect_eq(redis_write_ask(&ns, reservation, &out), STATUS_OK);
    cr_expect_eq(windows.next, next, "it is not looked up twice");
    reservation_free(reservation);
}

/* As many bytes as a command has, less one: nothing of it stays, and what was there does. */
Test(redis_commands, a_command_is_written_as_a_whole_or_not_at_all)
{
    struct limit limit = rate_of(LIMIT_TOKENS, 600, 60000);
    struct reservation *reservation = reserve(1, &limit);
    struct buffer narrow;
    cr_expect_eq(redis_write_ask(&ns, reservation, &out), STATUS_OK);
    for (size_t max = 4; max < buffer_len(&out) + 4; max++) {
        buffer_init(&narrow, max);
        cr_expect_eq(buffer_append(&narrow, SLICE("keep")), STATUS_OK);
        cr_expect_eq(redis_write_ask(&ns, reservation, &narrow), STATUS_TOO_LARGE, "%zu", max);
        cr_expect(slice_equal(buffer_bytes(&narrow), SLICE("keep")), "%zu", max);
        buffer_fini(&narrow);
    }
    buffer_init(&narrow, 40000); /* room for some of the scripts */
    cr_expect_eq(buffer_append(&narrow, SLICE("keep")), STATUS_OK);
    cr_expect_eq(redis_scripts_load(ns.scripts, &narrow), STATUS_TOO_LARGE);
    cr_expect(slice_equal(buffer_bytes(&narrow), SLICE("keep")));
    buffer_fini(&narrow);
    reservation_free(reservation);
}

/* Those of the binary, not those of the fixture. */
Test(redis_commands, the_server_knows_each_script_by_the_hash_that_is_asked_for)
{
    struct redis_scripts *scripts = redis_scripts_new();
    cr_expect_eq(redis_scripts_load(scripts, &out), STATUS_OK);
    struct slice bytes = buffer_bytes(&out);
    cr_assert_eq(redisAppendFormattedCommand(redis, bytes.ptr, bytes.len), REDIS_OK);
    for (unsigned i = 0; i < SCRIPTS; i++) {
        void *reply = NULL;
        int done = redisGetReply(redis, &reply);
        cr_expect_str_eq(take_reply(done, reply), scripts->hashes[i], "%u", i);
    }
    redis_scripts_free(scripts);
}

/* ---- replies ---- */

static enum status read_text(const char *text, struct reservation *reservation)
{
    struct error err;
    return redis_read_verdict(slice_from(text), reservation, &answer, &err);
}

Test(redis_commands, a_verdict_is_read_into_its_demands)
{
    struct limit limit = slots(3);
    struct reservation *reservation = reserve(2, &limit, &limit);
    cr_expect_eq(read_text("A 1700000000123 1 0123456789abcdef 77 0 1 1 5 9000000000000000 "
                           "9000000000000001 0 1125899906842624 0 0 0 0 2 3 0 0",
                           reservation),
                 STATUS_OK);
    cr_expect_eq(reservation->state, RESERVATION_HELD);
    cr_expect_eq(reservation->output_granted, 77);
    cr_expect_eq(answer.server_ms, INT64_C(1700000000123));
    cr_expect(answer.data_lost);
    cr_expect_str_eq(answer.epoch, "0123456789abcdef");
    const struct demand *demand = &reservation->demands[0];
    cr_expect(demand->over && demand->crossed && !demand->refused);
    cr_expect_eq(demand->granted, 5);
    cr_expect_eq(demand->left, LIMIT_AMOUNT_MAX);
    cr_expect_eq(demand->whole, LIMIT_AMOUNT_MAX + 1);
    cr_expect_eq(demand->reset_after, (INT64_C(1) << 50) * MSEC);
    cr_expect_eq(reservation->demands[1].left, 2);
    reservation_free(reservation);
}

Test(redis_commands, a_refusal_says_which_and_for_how_long)
{
    struct limit limit = slots(3);
    struct reservation *reservation = reserve(2, &limit, &limit);
    cr_expect_eq(read_text("R 1 0 e 0 1 0 0 0 0 3 -1 250 1 0 0 0 0 3 40 0", reservation),
                 STATUS_OK);
    cr_expect_eq(reservation->state, RESERVATION_REFUSED);
    cr_expect_eq(reservation->demands[0].room_after, -1);
    cr_expect_eq(reservation->demands[0].reset_after, 250 * MSEC);
    cr_expect_eq(reservation->demands[1].room_after, 40 * MSEC);
    cr_expect_eq(read_text("C 1 0 e 0", reservation), STATUS_OK);
    cr_expect_eq(reservation->state, RESERVATION_REFUSED);
    cr_expect_not(reservation->demands[0].refused);
    reservation_free(reservation);
}

Test(redis_commands, what_was_held_stays_so_where_an_extension_is_refused)
{
    struct limit limit = slots(3);
    struct reservation *reservation = reserve(1, &limit);
    reservation->demands[0].granted = 9;
    reservation->output_granted = 9;
    reservation->extending = true;
    cr_expect_eq(read_text("R 1 0 e 0 1 0 0 0 0 3 40 250", reservation), STATUS_OK);
    cr_expect_eq(reservation->state, RESERVATION_HELD);
    cr_expect(reservation->extension_refused);
    cr_expect_not(reservation->extending);
    cr_expect_eq(reservation->demands[0].granted, 9);
    reservation->extending = true;
    cr_expect_eq(read_text("A 1 0 e 5 0 0 0 6 0 3 0 250", reservation), STATUS_OK);
    cr_expect_not(reservation->extension_refused);
    cr_expect_eq(reservation->demands[0].granted, 15);
    cr_expect_eq(reservation->demands[0].last_taken, 6);
    cr_expect_eq(reservation->output_granted, 14);
    reservation_free(reservation);
}

Test(redis_commands, what_is_no_reply_of_ours_is_not_believed)
{
    static const char *const texts[] = {
        "",
        "OK",
        "A",
        "A 1 0 e",
        "X 1 0 e 0 0 0 0 1 1 3 0 0",
        "A 1 2 e 0 0 0 0 1 1 3 0 0",
        "A 1 0 0123456789abcdefg 0 0 0 0 1 1 3 0 0",
        "A 1 0 e 0",
        "A 1 0 e 0 0 0 0 1 1 3 0",
        "A 1 0 e 0 0 0 0 1 1 3 0 0 0",
        "A 1 0 e 0 0 0 0 1 1 3 0 0 ",
        "A 1 0 e 0 0 0 0 -1 1 3 0 0",
        "A 1 0 e 0 0 0 0 1 1e3 3 0 0",
        "A 1 0 e 0 0 0 0  1 1 3 0 0",
        "A 1 0 e 0 0 2 0 1 1 3 0 0",
        "A 1 0 e 0 0 0 0 99999999999999999999 1 3 0 0",
        "C 1 0 e 0 0 0 0 1 1 3 0 0",
        "K 1 0 e 0 0 0 0 1 1 3 0 0",
    };
    struct limit limit = slots(3);
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct reservation *reservation = reserve(1, &limit);
        cr_expect_eq(read_text(texts[i], reservation), STATUS_INVALID, "\"%s\"", texts[i]);
        cr_expect_eq(reservation->state, RESERVATION_NEW, "\"%s\"", texts[i]);
        cr_expect_eq(reservation->output_granted, 0, "\"%s\"", texts[i]);
        reservation_free(reservation);
    }
}

Test(redis_commands, beats_and_entries_are_read)
{
    struct error err;
    struct store_entry entry;
    struct limit limit = slots(3);
    cr_expect_eq(redis_read_beat(SLICE("12 0 e 3 1"), &answer, &err), STATUS_OK);
    cr_expect_eq(answer.gateways, 3);
    cr_expect(answer.declared_dead);
    cr_expect_eq(redis_read_beat(SLICE("12 0 e 3"), &answer, &err), STATUS_INVALID);
    cr_expect_eq(redis_read_entry(SLICE("1 2 3 4 5 6"), &limit, &entry, &err), STATUS_OK);
    cr_expect(entry.used == 1 && entry.reserved == 2 && entry.taken == 3 && entry.settled == 4 &&
              entry.refunded == 5 && entry.open == 6);
    cr_expect_eq(entry.span, LIMIT_HELD);
    cr_expect_eq(redis_read_entry(SLICE("1 2 3 4 5 6 7"), &limit, &entry, &err), STATUS_INVALID);
    cr_expect_eq(redis_read_entry(SLICE(""), &limit, &entry, &err), STATUS_INVALID);
}

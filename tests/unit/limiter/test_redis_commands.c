/* How commands are written, and how replies are read; and that the server takes them. */
#include "base/digest.h"
#include "script_fixture.h"

TestSuite(redis_commands, .init = begin, .fini = end, .timeout = 60);

static const char zeros[] = "00000000000000000000000000000000";

/* What is packed, as a test expects it or a script would say it. */
struct packed {
    char bytes[1024];
    size_t len;
};

static void add(struct packed *packed, struct slice bytes)
{
    cr_assert_leq(packed->len + bytes.len, sizeof(packed->bytes));
    memcpy(packed->bytes + packed->len, bytes.ptr, bytes.len);
    packed->len += bytes.len;
}

static void add_byte(struct packed *packed, int byte)
{
    char text = (char)byte;
    add(packed, slice_make(&text, 1));
}

static void add_numbers(struct packed *packed, const double *numbers, unsigned count)
{
    add(packed, slice_make((const char *)numbers, count * sizeof(*numbers)));
}

#define NUMBERS(packed, ...)                                                                       \
    add_numbers((packed), (const double[]){__VA_ARGS__},                                           \
                sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static struct slice bytes_of(const struct packed *packed)
{
    return slice_make(packed->bytes, packed->len);
}

/* That the buffer has these two, with another name for the hash, which changes with the scripts. */
static void expect_written(enum redis_script script, const char *words, struct slice last)
{
    struct slice bytes = buffer_bytes(&out);
    char text[2048];
    cr_assert_lt(bytes.len, sizeof(text));
    memcpy(text, bytes.ptr, bytes.len);
    text[bytes.len] = '\0';
    char *hash = strstr(text, ns.scripts->hashes[script]);
    cr_assert_not_null(hash);
    memset(hash, 'H', (size_t)2 * SHA1_BYTES);
    cr_assert_eq(bytes.len, strlen(words) + last.len + (last.len > 0 ? 2 : 0), "%s", text);
    cr_expect_eq(memcmp(text, words, strlen(words)), 0, "%s", text);
    cr_expect_eq(memcmp(text + strlen(words), last.ptr, last.len), 0);
}

static void set_names(struct reservation *reservation)
{
    redis_namespace_name(&ns, "s");
    ns.wall_ms = START + 1;
    memcpy(reservation->id, zeros, sizeof(reservation->id));
    reservation->tenant = "t";
}

#define HASH "$40\r\nHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHHH\r\n"

Test(redis_commands, an_ask_is_one_command_with_all_demands_packed)
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
    struct packed step = {.len = 0};
    NUMBERS(&step, 2, 0, 60000, 1000, 4);
    add(&step, SLICE("aaaaaaaaaaaaaaaa\0-\0cccccccccccccccc\0"));
    add(&step, SLICE("r\1\1"));
    NUMBERS(&step, 6, 9e15, 12, 7, 9e15, 3600000, 0);
    add(&step, SLICE("w\0\0"));
    NUMBERS(&step, 0, 1, 0, 10, 1727740800000, 1730419200000, 1733011200000);
    add(&step, SLICE("h\1\1"));
    NUMBERS(&step, 0, 1, 0, 3, 0, 0, 0);
    expect_written(SCRIPT_ADMIT,
                   "*12\r\n$7\r\nEVALSHA\r\n" HASH "$1\r\n8\r\n"
                   "$43\r\n{s:t}:v2:r:00000000000000000000000000000000\r\n"
                   "$13\r\n{s:t}:v2:open\r\n$11\r\n{s}:v2:open\r\n$15\r\n{s}:v2:gateways\r\n"
                   "$12\r\n{s}:v2:epoch\r\n$2\r\nk1\r\n$2\r\nk2\r\n$2\r\nk3\r\n$253\r\n",
                   bytes_of(&step));
    reservation_free(reservation);
}

static bool is_written(struct slice bytes)
{
    struct slice all = buffer_bytes(&out);
    return memmem(all.ptr, all.len, bytes.ptr, bytes.len) != NULL;
}

Test(redis_commands, rules_over_tenants_are_marked)
{
    struct limit limit = slots(3);
    limit.tenant = NULL;
    struct reservation *reservation = reserve(1, &limit);
    cr_expect_eq(redis_write_ask(&ns, reservation, &out), STATUS_OK);
    cr_expect(is_written(SLICE("\0h\1\2\0\0\0\0\0\0\0\0" /* no mark, then 1 */
                               "\0\0\0\0\0\0\xf0\x3f")));
    reservation_free(reservation);
}

/* The script looks twice for it. */
Test(redis_commands, a_share_is_asked_for_only_where_the_output_is_limited)
{
    struct limit limit = daily(LIMIT_TOKENS, 100);
    struct reservation *reservation = reserve(1, &limit);
    static const double shares[] = {0, 4, 0};
    reservation->output_share = 4;
    reservation->output_want = 77;
    for (unsigned i = 0; i < 3; i++) {
        struct packed step = {.len = 0};
        NUMBERS(&step, 77, shares[i]);
        add(&step, SLICE("aaaaaaaaaaaaaaaa\0"));
        reservation->demands[0].per_output = i > 0;
        limit.action = i == 2 ? LIMIT_WARN : LIMIT_DENY;
        cr_expect_eq(redis_write_ask(&ns, reservation, &out), STATUS_OK);
        cr_expect(is_written(bytes_of(&step)), "%u", i);
        buffer_consume(&out, buffer_len(&out));
    }
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
    struct packed used = {.len = 0};
    NUMBERS(&used, 9e15, 1);
    expect_written(SCRIPT_SETTLE,
                   "*9\r\n$7\r\nEVALSHA\r\n" HASH "$1\r\n5\r\n"
                   "$43\r\n{s:t}:v2:r:00000000000000000000000000000000\r\n"
                   "$13\r\n{s:t}:v2:open\r\n$11\r\n{s}:v2:open\r\n$2\r\nk1\r\n$2\r\nk2\r\n"
                   "$16\r\n",
                   bytes_of(&used));
    reservation_free(reservation);
}

Test(redis_commands, a_negative_hand_over_has_its_sign)
{
    struct limit limit = rate_of(LIMIT_TOKENS, 600, 60000);
    struct hand_over debt = {
        .id = "i", .tenant = "t", .limit = &limit, .key = SLICE("k"), .amount = INT64_MIN + 1};
    redis_namespace_name(&ns, "s");
    cr_expect_eq(redis_write_hand_over(&ns, &debt, &out), STATUS_OK);
    expect_written(SCRIPT_HAND_OVER,
                   "*11\r\n$7\r\nEVALSHA\r\n" HASH "$1\r\n2\r\n$12\r\n{s:t}:v2:h:i\r\n$1\r\nk\r\n"
                   "$1\r\nr\r\n$20\r\n-9223372036854775807\r\n$1\r\n0\r\n$1\r\n0\r\n"
                   "$3\r\n600\r\n$5\r\n60000\r\n",
                   SLICE(""));
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

static struct packed verdict_of(char letter, double output, const char *epoch)
{
    struct packed verdict = {.len = 0};
    add_byte(&verdict, letter);
    NUMBERS(&verdict, 1700000000123);
    add_byte(&verdict, 1);
    NUMBERS(&verdict, output);
    add(&verdict, slice_make(epoch, strlen(epoch) + 1));
    return verdict;
}

static void add_demand(struct packed *verdict, int marks, double amount, double count, double rest)
{
    add_byte(verdict, marks);
    NUMBERS(verdict, amount, count, rest);
}

static enum status read_packed(const struct packed *packed, struct reservation *reservation)
{
    struct error err;
    return redis_read_verdict(bytes_of(packed), reservation, &answer, &err);
}

Test(redis_commands, a_verdict_is_read_into_its_demands)
{
    struct limit limit = slots(3);
    struct limit rate = rate_of(LIMIT_TOKENS, LIMIT_AMOUNT_MAX, HOUR);
    struct limit day = daily(LIMIT_TOKENS, 1000);
    struct reservation *reservation = reserve(3, &rate, &limit, &day);
    struct packed verdict = verdict_of('A', 77, "0123456789abcdef");
    add_demand(&verdict, 3, 5, 5000000000001, 3599999);
    add_demand(&verdict, 0, 1, 2, 0);
    add_demand(&verdict, 0, 1, 999, 1700000000323);
    cr_expect_eq(read_packed(&verdict, reservation), STATUS_OK);
    cr_expect_eq(reservation->state, RESERVATION_HELD);
    cr_expect_eq(reservation->output_granted, 77);
    cr_expect_eq(answer.server_ms, INT64_C(1700000000123));
    cr_expect(answer.data_lost);
    cr_expect_str_eq(answer.epoch, "0123456789abcdef");
    const struct demand *demand = &reservation->demands[0];
    cr_expect(demand->over && demand->crossed && !demand->refused);
    cr_expect_eq(demand->granted, 5);
    cr_expect_eq(demand->left, LIMIT_AMOUNT_MAX - UINT64_C(5000000000001));
    cr_expect_eq(demand->whole, LIMIT_AMOUNT_MAX);
    cr_expect_eq(demand->reset_after, 2001 * MSEC); /* 2,500,000,000 a millisecond */
    cr_expect_eq(reservation->demands[1].left, 2);
    cr_expect_eq(reservation->demands[1].reset_after, 0);
    cr_expect_eq(reservation->demands[2].left, 999);
    cr_expect_eq(reservation->demands[2].reset_after, 200 * MSEC);
    reservation_free(reservation);
}

Test(redis_commands, a_refusal_says_which_and_for_how_long)
{
    struct limit held = slots(3);
    struct limit rate = rate_of(LIMIT_TOKENS, 1000, 1000);
    struct limit day = daily(LIMIT_TOKENS, 1000);
    struct reservation *reservation = reserve(4, &held, &rate, &day, &rate);
    struct packed verdict = verdict_of('R', 0, "e");
    add_demand(&verdict, 4, 4, 3, 0);
    add_demand(&verdict, 4, 100, 940, 0);
    add_demand(&verdict, 4, 11, 10, 1700000000373);
    add_demand(&verdict, 0, 0, 10, 0);
    cr_expect_eq(read_packed(&verdict, reservation), STATUS_OK);
    cr_expect_eq(reservation->state, RESERVATION_REFUSED);
    cr_expect_eq(reservation->demands[0].room_after, -1, "there are but three");
    cr_expect_eq(reservation->demands[1].room_after, 40 * MSEC);
    cr_expect_eq(reservation->demands[1].reset_after, 940 * MSEC);
    cr_expect_eq(reservation->demands[2].room_after, 250 * MSEC);
    cr_expect_eq(reservation->demands[2].granted, 0);
    cr_expect_not(reservation->demands[3].refused);
    cr_expect_eq(reservation->demands[3].left, 990);
    verdict = verdict_of('C', 0, "e");
    cr_expect_eq(read_packed(&verdict, reservation), STATUS_OK);
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
    struct packed verdict = verdict_of('R', 0, "e");
    add_demand(&verdict, 4, 1, 0, 0);
    cr_expect_eq(read_packed(&verdict, reservation), STATUS_OK);
    cr_expect_eq(reservation->state, RESERVATION_HELD);
    cr_expect(reservation->extension_refused);
    cr_expect_not(reservation->extending);
    cr_expect_eq(reservation->demands[0].granted, 9);
    reservation->extending = true;
    verdict = verdict_of('A', 5, "e");
    add_demand(&verdict, 0, 6, 0, 0);
    cr_expect_eq(read_packed(&verdict, reservation), STATUS_OK);
    cr_expect_not(reservation->extension_refused);
    cr_expect_eq(reservation->demands[0].granted, 15);
    cr_expect_eq(reservation->demands[0].last_taken, 6);
    cr_expect_eq(reservation->output_granted, 14);
    reservation_free(reservation);
}

static void expect_disbelief(struct slice text, unsigned index)
{
    struct error err;
    struct limit limit = slots(3);
    struct reservation *reservation = reserve(1, &limit);
    cr_expect_eq(redis_read_verdict(text, reservation, &answer, &err), STATUS_INVALID, "%u", index);
    cr_expect_eq(reservation->state, RESERVATION_NEW, "%u", index);
    cr_expect_eq(reservation->output_granted, 0, "%u", index);
    reservation_free(reservation);
}

Test(redis_commands, what_is_no_reply_of_ours_is_not_believed)
{
    static const struct {
        int marks;
        double amount, count;
    } demands[] = {
        {0, -1, 1},      {0, 0.5, 1}, {0, 1, 9007199254740994}, {0, 1, 1e300}, {0, 1, 1 / 0.0},
        {0, 1, 0 / 0.0}, {4, 1, 1}, /* refused, though admitted */
        {8, 1, 1},
    };
    struct packed good = verdict_of('A', 0, "e");
    add_demand(&good, 0, 1, 1, 0);
    for (size_t len = 0; len < good.len; len++) {
        expect_disbelief(slice_make(good.bytes, len), (unsigned)len);
    }
    add_byte(&good, 0);
    expect_disbelief(bytes_of(&good), 1000);
    for (unsigned i = 0; i < sizeof(demands) / sizeof(demands[0]); i++) {
        struct packed verdict = verdict_of('A', 0, "e");
        add_demand(&verdict, demands[i].marks, demands[i].amount, demands[i].count, 0);
        expect_disbelief(bytes_of(&verdict), i);
    }
    static const char letters[] = {'X', 'C', 'K', '\0'};
    for (unsigned i = 0; i < sizeof(letters); i++) {
        struct packed verdict = verdict_of(letters[i], 0, "e");
        add_demand(&verdict, 0, 1, 1, 0);
        expect_disbelief(bytes_of(&verdict), i);
    }
    struct packed long_epoch = verdict_of('C', 0, "0123456789abcdefg");
    expect_disbelief(bytes_of(&long_epoch), 0);
    struct packed twice_lost = verdict_of('C', 0, "e");
    twice_lost.bytes[9] = 2;
    expect_disbelief(bytes_of(&twice_lost), 0);
    expect_disbelief(SLICE("OK"), 0);
}

Test(redis_commands, beats_and_entries_are_read)
{
    struct error err;
    struct store_entry entry;
    struct limit limit = slots(3);
    cr_expect_eq(redis_read_beat(SLICE("12 0 e 3 1 4 2 59000"), &answer, &err), STATUS_OK);
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

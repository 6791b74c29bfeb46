#include "base/buffer.h"
#include "base/json.h"
#include "gateway/observe/audit_record.h"

#include <string.h>

#include <criterion/criterion.h>

enum { MAX = 256 * 1024, WALL = 1767323045 }; /* 2026-01-02T03:04:05Z */

static const struct audit_event refused = {
    .kind = AUDIT_KEY_REFUSED, .route = "openai", .peer = "192.0.2.7", .code = "tenant_unknown"};

/* Writes a line behind *chain, which goes on; without its newline. */
static struct slice write_line(struct audit_chain *chain, const struct audit_event *event,
                               struct slice text, struct buffer *out)
{
    struct buffer body CLEANUP(buffer_fini);
    buffer_init(&body, MAX);
    cr_assert_eq(audit_body_write(event, WALL * SEC, text, &body), STATUS_OK);
    cr_assert_eq(slice_find(buffer_bytes(&body), '\n'), buffer_len(&body));
    buffer_init(out, MAX);
    struct audit_chain next;
    cr_assert_eq(audit_line_write(chain, buffer_bytes(&body), out, &next), STATUS_OK);
    *chain = next;
    struct slice line = buffer_bytes(out);
    cr_assert_eq(line.ptr[line.len - 1], '\n');
    return slice_make(line.ptr, line.len - 1);
}

Test(audit_record, a_line_is_what_the_header_says)
{
    struct buffer out CLEANUP(buffer_fini);
    struct audit_chain chain;
    audit_chain_init(&chain);
    struct slice line = write_line(&chain, &refused, SLICE("no tenant has this key"), &out);
    /* The hash: printf '%064d%s' 0 '{"seq":1,…,"prev":"000…"}' | sha256sum */
    cr_expect(
        slice_equal(
            line,
            SLICE("{\"seq\":1,\"time\":\"2026-01-02T03:04:05.000Z\",\"event\":\"key_refused\","
                  "\"route\":\"openai\",\"peer\":\"192.0.2.7\",\"code\":\"tenant_unknown\","
                  "\"text\":\"no tenant has this key\","
                  "\"prev\":"
                  "\"0000000000000000000000000000000000000000000000000000000000000000\","
                  "\"hash\":"
                  "\"fe11ab8d1e1bda7f1810e81a2995688edc010cc105a7d40e73814da2778b9bb3\"}")),
        "%.*s", SLICE_ARG(line));
}

Test(audit_record, each_member_has_its_place_and_those_that_do_not_apply_are_left_out)
{
    static const struct audit_event all = {.kind = AUDIT_CONFIG_TAKEN,
                                           .tenant = "t",
                                           .route = "r",
                                           .quota = "q",
                                           .secret = "s",
                                           .version = 2,
                                           .peer = "unix",
                                           .by = "signal",
                                           .code = "c",
                                           .config = "d",
                                           .generation = 18446744073709551615U,
                                           .count = 3};
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, MAX);
    cr_assert_eq(audit_body_write(&all, WALL * SEC, SLICE("x"), &out), STATUS_OK);
    cr_expect(slice_equal(buffer_bytes(&out),
                          SLICE("\"time\":\"2026-01-02T03:04:05.000Z\",\"event\":\"config_taken\","
                                "\"tenant\":\"t\",\"route\":\"r\",\"quota\":\"q\",\"secret\":\"s\","
                                "\"version\":2,\"peer\":\"unix\",\"by\":\"signal\",\"code\":\"c\","
                                "\"config\":\"d\",\"generation\":18446744073709551615,\"count\":3,"
                                "\"text\":\"x\"")),
              "%.*s", SLICE_ARG(buffer_bytes(&out)));
    buffer_consume(&out, buffer_len(&out));
    const struct audit_event none = {.kind = AUDIT_PROCESS_STOPPED};
    cr_assert_eq(audit_body_write(&none, WALL * SEC, SLICE(""), &out), STATUS_OK);
    cr_expect(
        slice_equal(buffer_bytes(&out),
                    SLICE("\"time\":\"2026-01-02T03:04:05.000Z\",\"event\":\"process_stopped\","
                          "\"text\":\"\"")),
        "%.*s", SLICE_ARG(buffer_bytes(&out)));
}

Test(audit_record, what_was_written_is_read_and_follows_the_line_before)
{
    struct audit_chain chain;
    audit_chain_init(&chain);
    for (uint64_t i = 1; i <= 12; i++) {
        struct buffer out CLEANUP(buffer_fini);
        struct audit_line line;
        struct audit_chain before = chain;
        cr_assert(audit_line_read(write_line(&chain, &refused, SLICE("x"), &out), &line));
        cr_expect(line.intact);
        cr_expect_eq(line.seq, i);
        cr_expect(slice_equal(line.event, SLICE("key_refused")));
        cr_expect(slice_equal(line.prev, slice_make(before.hash, AUDIT_HASH_LEN)));
        cr_expect(slice_equal(line.hash, slice_make(chain.hash, AUDIT_HASH_LEN)));
    }
}

Test(audit_record, a_changed_byte_shows_wherever_it_is)
{
    struct buffer out CLEANUP(buffer_fini);
    struct audit_chain chain;
    audit_chain_init(&chain);
    struct slice line = write_line(&chain, &refused, SLICE("no tenant has this key"), &out);
    char *bytes = out.ptr + out.start;
    for (size_t i = 0; i < line.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            struct audit_line read;
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
            cr_expect_not(audit_line_read(line, &read) && read.intact, "byte %zu, bit %u", i, bit);
            bytes[i] = (char)(bytes[i] ^ (1 << bit));
        }
    }
    for (size_t len = 0; len < line.len; len++) {
        struct audit_line read;
        cr_expect_not(audit_line_read(slice_make(line.ptr, len), &read) && read.intact, "%zu", len);
    }
}

Test(audit_record, texts_from_outside_stay_inside_their_quotes)
{
    static const char *const texts[] = {
        "\",\"hash\":\"0000\"}\n{\"seq\":2",
        "\x01\x02\x1f\x7f line\nline\r\n\ttab",
        "\\\\\" \\u0000 \\",
        "broken \xff\xc3( \xed\xa0\x80 utf-8",
        "\xe2\x80\xa8 </script> \xf0\x9f\x92\xa3",
        "%s%n%x",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct buffer out CLEANUP(buffer_fini);
        struct audit_chain chain;
        struct audit_line read;
        struct cJSON *json CLEANUP(json_free_at) = NULL;
        const struct json_limits limits = {.bytes = MAX, .depth = 2, .names = JSON_NAMES_ONCE};
        audit_chain_init(&chain);
        const struct audit_event event = {
            .kind = AUDIT_STORE_WARNING, .tenant = texts[i], .peer = texts[i]};
        struct slice line = write_line(&chain, &event, slice_from(texts[i]), &out);
        cr_expect_eq(slice_find(line, '\n'), line.len);
        cr_expect(audit_line_read(line, &read) && read.intact, "%.*s", SLICE_ARG(line));
        cr_expect_eq(json_parse(line, &limits, &json, NULL), STATUS_OK, "%.*s", SLICE_ARG(line));
        cr_expect_eq(json_count(json), 8U); /* seq time event tenant peer text prev hash */
    }
}

Test(audit_record, the_longest_event_fits_a_line)
{
    char text[AUDIT_TEXT_MAX];
    char name[65] = {0};
    memset(text, 1, sizeof(text)); /* six characters each */
    memset(name, 1, sizeof(name) - 1);
    const struct audit_event event = {.kind = AUDIT_REFUSALS_LEFT_OUT,
                                      .tenant = name,
                                      .route = name,
                                      .quota = name,
                                      .secret = name,
                                      .version = UINT64_MAX,
                                      .peer = name,
                                      .by = name,
                                      .code = name,
                                      .config = name,
                                      .generation = UINT64_MAX,
                                      .count = UINT64_MAX};
    struct buffer out CLEANUP(buffer_fini);
    struct audit_line read;
    struct audit_chain chain;
    audit_chain_init(&chain);
    chain.seq = UINT64_MAX - 1;
    struct slice line = write_line(&chain, &event, slice_make(text, sizeof(text)), &out);
    cr_expect(audit_line_read(line, &read) && read.intact);
    cr_expect_eq(read.seq, UINT64_MAX);
}

Test(audit_record, what_does_not_fit_leaves_nothing_behind)
{
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, 100);
    cr_assert_eq(buffer_append(&out, SLICE("before")), STATUS_OK);
    cr_expect_eq(audit_body_write(&refused, 0, SLICE("x"), &out), STATUS_TOO_LARGE);
    cr_expect(slice_equal(buffer_bytes(&out), SLICE("before")));
}

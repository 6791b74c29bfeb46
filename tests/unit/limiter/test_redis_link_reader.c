/* redis_link_reader: bytes become replies, and no server can make it grow without an end. */
#include "base/memory.h"
#include "limiter/redis_link_reader.h"

#include <stdio.h>

#include <criterion/criterion.h>

static struct redis_reader *reader;

static void set_up(void)
{
    reader = redis_reader_new();
}

static void tear_down(void)
{
    redis_reader_free(reader);
}

TestSuite(redis_link_reader, .init = set_up, .fini = tear_down);

static void feed(const char *text)
{
    redis_reader_feed(reader, slice_from(text));
}

static struct redis_reply take(void)
{
    struct redis_reply reply;
    const char *why = "";
    cr_assert_eq(redis_reader_next(reader, &reply, &why), REDIS_READ_REPLY, "%s", why);
    return reply;
}

static void expect_more(void)
{
    struct redis_reply reply;
    const char *why = "";
    cr_assert_eq(redis_reader_next(reader, &reply, &why), REDIS_READ_MORE, "%s", why);
}

static void expect_broken(const char *part)
{
    struct redis_reply reply;
    const char *why = "";
    cr_assert_eq(redis_reader_next(reader, &reply, &why), REDIS_READ_BROKEN);
    cr_assert(strstr(why, part) != NULL, "%s", why);
    cr_assert_eq(redis_reader_next(reader, &reply, &why), REDIS_READ_BROKEN, "mended itself");
}

/* Feeds `unit` again and again until the reader says that it is enough; how many bytes that took.
 */
static size_t feed_until_broken(const char *unit, size_t most)
{
    struct redis_reply reply;
    const char *why = "";
    size_t len = strlen(unit);
    char *piece = memory_alloc(REDIS_FEED_MAX);
    size_t piece_len = 0;
    while (piece_len + len <= REDIS_FEED_MAX) {
        memcpy(piece + piece_len, unit, len);
        piece_len += len;
    }
    size_t fed = 0;
    enum redis_read result = REDIS_READ_MORE;
    while (result == REDIS_READ_MORE && fed <= most) {
        redis_reader_feed(reader, slice_make(piece, piece_len));
        fed += piece_len;
        result = redis_reader_next(reader, &reply, &why);
    }
    memory_free(piece);
    cr_assert_eq(result, REDIS_READ_BROKEN, "takes more than %zu", most);
    cr_assert(strstr(why, "too long") != NULL, "%s", why);
    return fed;
}

Test(redis_link_reader, reads_each_kind)
{
    feed("+OK\r\n-ERR no\r\n:-42\r\n$3\r\na\r\n\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n");
    struct redis_reply reply = take();
    cr_assert_eq(reply.kind, REDIS_TEXT);
    cr_assert(slice_equal(reply.text, SLICE("OK")));
    cr_assert_eq(reply.number, 0);
    reply = take();
    cr_assert_eq(reply.kind, REDIS_ERROR);
    cr_assert(slice_equal(reply.text, SLICE("ERR no")));
    reply = take();
    cr_assert_eq(reply.kind, REDIS_NUMBER);
    cr_assert_eq(reply.number, -42);
    reply = take();
    cr_assert_eq(reply.kind, REDIS_TEXT);
    cr_assert(slice_equal(reply.text, SLICE("a\r\n")));
    reply = take();
    cr_assert_eq(reply.kind, REDIS_TEXT);
    cr_assert_eq(reply.text.len, 0);
    cr_assert_eq(take().kind, REDIS_NIL);
    cr_assert_eq(take().kind, REDIS_NIL);
    reply = take();
    cr_assert_eq(reply.kind, REDIS_LIST);
    cr_assert_eq(reply.count, 0);
    expect_more();
}

Test(redis_link_reader, a_list_keeps_its_texts_while_they_grow)
{
    char head[16];
    (void)snprintf(head, sizeof(head), "*%d\r\n", 2000);
    feed(head);
    for (int i = 0; i < 2000; i++) {
        char item[32];
        int len = snprintf(NULL, 0, "item %d", i);
        (void)snprintf(item, sizeof(item), "$%d\r\nitem %d\r\n", len, i);
        feed(item);
        if (i < 1999) {
            expect_more();
        }
    }
    struct redis_reply reply = take();
    cr_assert_eq(reply.count, 2000);
    for (unsigned i = 0; i < 2000; i++) {
        char item[32];
        (void)snprintf(item, sizeof(item), "item %u", i);
        cr_assert(slice_equal(reply.items[i].text, slice_from(item)), "%u", i);
        cr_assert_eq(reply.items[i].number, 0);
    }
}

Test(redis_link_reader, a_reply_stays_valid_over_a_reset)
{
    feed("+still here\r\n+gone\r\n");
    struct redis_reply reply = take();
    redis_reader_reset(reader);
    feed("+new\r\n");
    cr_assert(slice_equal(reply.text, SLICE("still here")));
    cr_assert(slice_equal(take().text, SLICE("new")));
    expect_more();
}

Test(redis_link_reader, half_a_reply_is_forgotten_at_a_reset)
{
    feed("*2\r\n+one\r\n");
    expect_more();
    redis_reader_reset(reader);
    feed(":7\r\n");
    cr_assert_eq(take().number, 7);
}

Test(redis_link_reader, what_is_no_resp_breaks)
{
    static const char *const inputs[] = {"HTTP/1.1 200 OK\r\n",
                                         ">1\r\n+push\r\n",
                                         "%1\r\n+a\r\n+b\r\n",
                                         "_\r\n",
                                         "\x15\x03\x03",
                                         ":x\r\n",
                                         ":99999999999999999999\r\n",
                                         "$x\r\n",
                                         "$-2\r\n",
                                         "*-2\r\n",
                                         "*x\r\n",
                                         "\r\n"};
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        redis_reader_reset(reader);
        feed(inputs[i]);
        expect_broken("not Redis's protocol");
    }
}

Test(redis_link_reader, a_list_within_a_list_breaks)
{
    feed("*2\r\n+one\r\n*0\r\n");
    expect_broken("lists within a list");
}

Test(redis_link_reader, a_list_of_too_many_breaks_at_its_head)
{
    feed("*1048577\r\n");
    expect_broken("too long");
    redis_reader_reset(reader);
    feed("*1048576\r\n:1\r\n");
    expect_more();
}

Test(redis_link_reader, a_line_without_an_end_breaks_early)
{
    static const char *const heads[] = {"+", "-", ":", "$", "*", "*5\r\n+"};
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        redis_reader_reset(reader);
        feed(heads[i]);
        cr_assert_lt(feed_until_broken("a\nb\rc", 1024 * 1024), 100 * 1024, "%s", heads[i]);
    }
}

Test(redis_link_reader, a_text_beyond_the_maximum_breaks)
{
    feed("$99999999999\r\n");
    size_t fed = feed_until_broken("text", 2 * (size_t)REDIS_REPLY_MAX);
    cr_assert_leq(fed, (size_t)REDIS_REPLY_MAX + 2 * (size_t)REDIS_FEED_MAX);
}

Test(redis_link_reader, a_list_beyond_the_maximum_breaks)
{
    feed("*1000000\r\n");
    size_t fed =
        feed_until_broken("$100\r\n0123456789012345678901234567890123456789012345678901234567"
                          "890123456789012345678901234567890123456789\r\n",
                          2 * (size_t)REDIS_REPLY_MAX);
    cr_assert_leq(fed, (size_t)REDIS_REPLY_MAX + 2 * (size_t)REDIS_FEED_MAX);
}

Test(redis_link_reader, many_replies_do_not_add_up_to_a_long_one)
{
    enum { BYTES = 15000 };
    char *reply = memory_alloc(BYTES + 64);
    int head = snprintf(reply, 64, "$%d\r\n", BYTES);
    memset(reply + head, 'r', BYTES);
    memcpy(reply + head + BYTES, "\r\n", 3);
    for (size_t fed = 0; fed < (size_t)REDIS_REPLY_MAX + BYTES * 10; fed += BYTES) {
        redis_reader_feed(reader, slice_from(reply));
        cr_assert_eq(take().text.len, BYTES);
        expect_more();
    }
    memory_free(reply);
}

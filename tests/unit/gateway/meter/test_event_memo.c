#include "base/memory.h"
#include "gateway/meter/event_memo.h"
#include "tests/unit/gateway/meter/streams.h"
#include "tests/unit/gateway/meter/tables.h"

#include <stdio.h>
#include <stdlib.h>

#include <criterion/criterion.h>

enum { EVENTS_MAX = 64, ROUNDS = 20000, DATA_MAX = 1024 };

/* Events, as they come, read with what is remembered of those before, and afresh. */
struct pair {
    const struct usage_table *table;
    struct event_memo *memo;
    struct answer_event quick, plain;
    struct answer_identity quick_identity, plain_identity;
};

static void begin(struct pair *pair, const struct usage_table *table)
{
    memset(pair, 0, sizeof(*pair));
    pair->table = table;
    pair->memo = event_memo_new();
}

static void expect_same_identity(const struct answer_identity *a, const struct answer_identity *b)
{
    cr_assert(slice_equal(answer_text_of(&a->id), answer_text_of(&b->id)));
    cr_assert(slice_equal(answer_text_of(&a->model), answer_text_of(&b->model)));
    cr_assert_eq(a->has_created, b->has_created);
    cr_assert_eq(a->created, b->created);
    cr_assert_eq(a->is_text_completion, b->is_text_completion);
    cr_assert_eq(a->has_sequence, b->has_sequence);
    cr_assert_eq(a->sequence, b->sequence);
    for (unsigned i = 0; i < ANSWER_INDEXES; i++) {
        cr_assert_eq(answer_index_has(&a->begun, i), answer_index_has(&b->begun, i));
        cr_assert_eq(answer_index_has(&a->ended, i), answer_index_has(&b->ended, i));
    }
}

static void expect_same(const struct pair *pair, struct slice data)
{
    const struct answer_event *a = &pair->quick;
    const struct answer_event *b = &pair->plain;
    cr_assert_eq(answer_event_whole(a), answer_event_whole(b), "%.*s", SLICE_ARG(data));
    cr_assert_eq(a->invalid, b->invalid, "%.*s", SLICE_ARG(data));
    cr_assert_eq(a->text_bytes, b->text_bytes, "%.*s", SLICE_ARG(data));
    cr_assert_eq(a->type, b->type, "%.*s", SLICE_ARG(data));
    cr_assert_eq(a->has_choice, b->has_choice, "%.*s", SLICE_ARG(data));
    cr_assert_eq(a->stopped, b->stopped, "%.*s", SLICE_ARG(data));
    cr_assert_eq(a->index, b->index, "%.*s", SLICE_ARG(data));
    cr_assert_eq(a->figures.told, b->figures.told, "%.*s", SLICE_ARG(data));
    cr_assert_eq(a->figures.broken, b->figures.broken, "%.*s", SLICE_ARG(data));
    cr_assert_eq(a->figures.figures.seen, b->figures.figures.seen, "%.*s", SLICE_ARG(data));
    cr_assert_eq(memcmp(a->head, b->head, sizeof(a->head)), 0, "%.*s", SLICE_ARG(data));
    for (unsigned i = 0; i < USAGE_PLACES_MAX; i++) {
        cr_assert((a->figures.figures.seen >> i & 1) == 0 ||
                  a->figures.figures.values[i] == b->figures.figures.values[i]);
    }
    expect_same_identity(&pair->quick_identity, &pair->plain_identity);
}

/* Returns how much of it was known. */
static size_t read_event(struct pair *pair, struct slice data)
{
    answer_event_init(&pair->quick, pair->table, true, &pair->quick_identity);
    size_t known = event_memo_read(pair->memo, &pair->quick, data);
    cr_assert_leq(known, data.len);
    answer_event_read(&pair->quick, slice_skip(data, known));
    answer_event_init(&pair->plain, pair->table, true, &pair->plain_identity);
    answer_event_read(&pair->plain, data);
    expect_same(pair, data);
    return known;
}

static struct slice chat_event(const char *text, char data[DATA_MAX])
{
    int len = snprintf(
        data, DATA_MAX,
        "{\"id\":\"chatcmpl-9\",\"object\":\"chat.completion.chunk\",\"created\":16942,"
        "\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"},"
        "\"finish_reason\":null}],\"usage\":null}",
        text);
    return slice_make(data, (size_t)len);
}

Test(event_memo, what_events_begin_with_is_read_once)
{
    struct pair pair;
    char data[DATA_MAX];
    begin(&pair, table_of(USAGE_OPENAI_CHAT));
    cr_expect_eq(read_event(&pair, chat_event("Hello", data)), 0);
    size_t text = (size_t)(strstr(data, "Hello") - data);
    cr_expect_eq(read_event(&pair, chat_event("world", data)), text);
    cr_expect_eq(read_event(&pair, chat_event("!", data)), text);
    cr_expect_eq(read_event(&pair, chat_event("", data)), text);
    cr_expect_eq(pair.plain.text_bytes, 0);
    cr_expect_eq(read_event(&pair, chat_event("\\u00e9", data)), text);
    cr_expect_eq(pair.quick.text_bytes, 2);
    memory_free(pair.memo);
}

Test(event_memo, one_that_comes_in_pieces_spoils_nothing)
{
    struct pair pair;
    char data[DATA_MAX];
    begin(&pair, table_of(USAGE_OPENAI_CHAT));
    (void)read_event(&pair, chat_event("Hello", data));
    size_t text = read_event(&pair, chat_event("world", data));
    struct slice event = chat_event("!", data);
    for (size_t len = 1; len < text; len++) {
        answer_event_init(&pair.quick, pair.table, true, &pair.quick_identity);
        size_t known = event_memo_read(pair.memo, &pair.quick, slice_make(data, len));
        cr_assert_eq(known, 0);
        answer_event_read(&pair.quick, slice_make(data, len));
        answer_event_read(&pair.quick, slice_skip(event, len));
        cr_assert(answer_event_whole(&pair.quick));
        cr_assert_eq(pair.quick.text_bytes, 1);
        cr_assert_eq(read_event(&pair, event), text);
    }
    memory_free(pair.memo);
}

Test(event_memo, a_begin_that_was_short_is_read_on)
{
    struct pair pair;
    char data[DATA_MAX];
    static const char first[] =
        "{\"id\":\"chatcmpl-9\",\"object\":\"chat.completion.chunk\",\"x\":1}";
    begin(&pair, table_of(USAGE_OPENAI_CHAT));
    (void)read_event(&pair, slice_from(first));
    size_t known = read_event(&pair, chat_event("a", data));
    cr_expect_lt(known, strlen(first));
    cr_expect_gt(read_event(&pair, chat_event("b", data)), known + EVENT_MEMO_MORE);
    memory_free(pair.memo);
}

Test(event_memo, texts_that_are_the_same_by_chance_cost_little)
{
    struct pair pair;
    char data[DATA_MAX];
    begin(&pair, table_of(USAGE_OPENAI_CHAT));
    for (unsigned i = 0; i < 100; i++) {
        (void)read_event(&pair, chat_event(i % 4 < 2 ? "the same again" : "and another one", data));
    }
    cr_expect_leq(pair.memo->extended, EVENT_MEMO_TIMES);
    memory_free(pair.memo);
}

/* The data of the events of a stream, in its memory. */
static unsigned split(char *stream, struct slice events[EVENTS_MAX])
{
    unsigned count = 0;
    for (char *line = strtok(stream, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (strncmp(line, "data: ", 6) == 0) {
            events[count++] = slice_from(line + 6);
        }
    }
    return count;
}

static void mutate(struct slice event, char data[DATA_MAX], unsigned *seed)
{
    static const char bytes[] = "\"\\{}[],:0a\x80";
    memcpy(data, event.ptr, event.len);
    *seed = *seed * 1103515245U + 12345U;
    unsigned at = (*seed >> 8) % (unsigned)event.len;
    if ((*seed >> 24) % 3 == 0) { /* else as it was */
        data[at] = bytes[*seed % (sizeof(bytes) - 1)];
    }
}

Test(event_memo, reads_what_comes_as_if_it_were_the_first)
{
    static const struct {
        enum usage_dialect dialect;
        const char *stream;
    } streams[] = {
        {USAGE_OPENAI_CHAT, chat_stream},
        {USAGE_OPENAI_RESPONSES, responses_stream},
        {USAGE_ANTHROPIC, anthropic_stream},
    };
    for (size_t i = 0; i < sizeof(streams) / sizeof(streams[0]); i++) {
        struct pair pair;
        struct slice events[EVENTS_MAX];
        char data[DATA_MAX];
        char *copy = strdup(streams[i].stream);
        unsigned count = split(copy, events);
        unsigned seed = 7;
        size_t known = 0;
        cr_assert_gt(count, 0);
        begin(&pair, table_of(streams[i].dialect));
        for (unsigned round = 0; round < ROUNDS; round++) {
            struct slice event = events[(seed >> 16) % count];
            mutate(event, data, &seed);
            known += read_event(&pair, slice_make(data, event.len));
        }
        cr_expect_gt(known, ROUNDS, "it was never used");
        memory_free(pair.memo);
        free(copy);
    }
}

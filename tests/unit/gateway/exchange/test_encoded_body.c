/* What of an encoded body may leave, and when. */
#include "auth/outbound/scrub.h"
#include "gateway/exchange/encoded_body.h"
#include "tests/unit/gateway/meter/coded.h"

#include <criterion/criterion.h>

enum { SCRATCH_BYTES = 2 * ENCODED_TEXT_BYTES + SCRUB_HELD_MAX, RUNS = 200, LINES = 400 };

static const struct slice secret = SLICE_INIT("sk-test-0123456789abcdefghijklmnop");
static const struct slice before = SLICE_INIT("data: first\n\ndata: ");
static const struct slice after = SLICE_INIT(" after\n\n");

/* A body, and what left of it. */
struct flow {
    struct coded_memory memory;
    struct scrubber *scrubber;
    struct buffer scratch;
    struct encoded_body *body;
    struct buffer out;
    enum coding coding;
    size_t glance;  /* bytes of text that are looked at at a time */
    uint64_t seen;  /* of the text */
    size_t at_once; /* bytes that leave at a time */
};

static void begin(struct flow *flow, enum coding coding)
{
    *flow = (struct flow){
        .memory = {.max = CODED_MAX}, .coding = coding, .glance = SIZE_MAX, .at_once = SIZE_MAX};
    const struct decode_memory memory = {
        .take = coded_take, .give = coded_give, .ctx = &flow->memory};
    flow->scrubber = scrubber_new(&secret, 1);
    buffer_init(&flow->scratch, SCRATCH_BYTES);
    buffer_init(&flow->out, CODED_MAX);
    flow->body = encoded_body_new(coding, flow->scrubber, &flow->scratch, &memory);
    cr_assert_not_null(flow->body);
}

static void end(struct flow *flow)
{
    encoded_body_free(TAKE(flow->body));
    scrubber_free(flow->scrubber);
    buffer_fini(&flow->scratch);
    buffer_fini(&flow->out);
    cr_assert_eq(flow->memory.used, 0, "%zu bytes are still counted", flow->memory.used);
}

static void put(struct buffer *out, struct slice bytes)
{
    cr_assert_eq(buffer_append(out, bytes), STATUS_OK);
}

static void let_leave(struct flow *flow)
{
    struct slice clear = encoded_body_clear(flow->body);
    clear.len = clear.len < flow->at_once ? clear.len : flow->at_once;
    put(&flow->out, clear);
    encoded_body_leave(flow->body, clear.len);
}

static void look(struct flow *flow)
{
    size_t len = encoded_body_text(flow->body).len;
    len = len < flow->glance ? len : flow->glance;
    flow->seen += len;
    encoded_body_seen(flow->body, len);
}

/* All that `bytes` are good for. */
static enum encoded_want feed(struct flow *flow, struct slice bytes)
{
    enum encoded_want want = encoded_body_wants(flow->body);
    while (want == ENCODED_STEP || want == ENCODED_TEXT ||
           (want == ENCODED_BYTES && bytes.len > 0)) {
        if (want == ENCODED_STEP) {
            encoded_body_step(flow->body);
        } else if (want == ENCODED_TEXT) {
            look(flow);
        } else {
            bytes = slice_skip(bytes, encoded_body_put(flow->body, bytes));
        }
        let_leave(flow);
        want = encoded_body_wants(flow->body);
    }
    return want;
}

static enum encoded_want feed_end(struct flow *flow)
{
    encoded_body_end(flow->body);
    do {
        let_leave(flow);
    } while (encoded_body_clear(flow->body).len > 0);
    return encoded_body_wants(flow->body);
}

static enum encoded_refusal refusal(const struct flow *flow)
{
    const char *why = NULL;
    enum encoded_refusal it = encoded_body_refusal(flow->body, &why);
    cr_assert_not_null(why);
    return it;
}

/* What can be read of that which left. */
static void read_out(const struct flow *flow, struct coded_run *run)
{
    coded_begin(run, flow->coding);
    cr_assert_eq(coded_feed(run, buffer_bytes(&flow->out)), DECODE_MORE);
}

static bool same(const struct buffer *a, const struct buffer *b)
{
    return slice_equal(buffer_bytes(a), buffer_bytes(b));
}

/* ---- no credential ---- */

Test(encoded_body, what_is_flushed_behind_a_line_leaves_at_once)
{
    const struct slice parts[] = {SLICE("data: one\n\n"), SLICE("data: another one\n\n"),
                                  SLICE("data: [DONE]\n\n")};
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        for (unsigned count = 1; count < 3; count++) {
            struct flow flow;
            struct buffer coded CLEANUP(buffer_fini);
            struct buffer all CLEANUP(buffer_fini);
            buffer_init(&coded, CODED_MAX);
            buffer_init(&all, CODED_MAX);
            coded_kinds[k].encode(&all, parts, 3);
            coded_kinds[k].encode(&coded, parts, 3);
            /* A flush is a place from which on the same bytes follow, whatever comes later. */
            struct coded_run run;
            size_t len = 0;
            uint64_t text = parts[0].len + (count == 2 ? parts[1].len : 0);
            coded_begin(&run, coded_kinds[k].coding);
            while (buffer_len(&run.text) < text || decoder_pending(run.decoder) > 0) {
                cr_assert_eq(coded_feed(&run, slice_make(buffer_bytes(&coded).ptr + len, 1)),
                             DECODE_MORE);
                len++;
            }
            coded_end(&run);
            begin(&flow, coded_kinds[k].coding);
            cr_assert_eq(feed(&flow, slice_make(buffer_bytes(&coded).ptr, len)), ENCODED_BYTES);
            cr_expect_eq(buffer_len(&flow.out), len, "%s: %zu of %zu", coded_kinds[k].name,
                         buffer_len(&flow.out), len);
            end(&flow);
        }
    }
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

/* Lines, some with the beginning of the credential. */
static void put_lines(struct buffer *text, uint32_t *state)
{
    for (unsigned i = 0; i < LINES; i++) {
        put(text, slice_make(secret.ptr, next_random(state) % secret.len));
        char line[8] = {0};
        for (unsigned j = 0; j < sizeof(line); j++) {
            line[j] = (char)('A' + next_random(state) % 26);
        }
        put(text, slice_make(line, sizeof(line)));
        put(text, next_random(state) % 4 == 0 ? SLICE("\n") : SLICE(" "));
    }
}

/* Any pieces, any glances: every byte leaves, as it came, and none before its text was seen. */
Test(encoded_body, all_leaves_as_it_came_but_nothing_before_it_was_looked_at)
{
    for (uint32_t i = 0; i < RUNS; i++) {
        struct flow flow;
        struct coded_run run;
        struct buffer text CLEANUP(buffer_fini);
        struct buffer coded CLEANUP(buffer_fini);
        const struct coded_kind *kind = &coded_kinds[i % CODED_KINDS];
        uint32_t state = i + 1;
        buffer_init(&text, CODED_MAX);
        buffer_init(&coded, CODED_MAX);
        put_lines(&text, &state);
        const struct slice part = buffer_bytes(&text);
        kind->encode(&coded, &part, 1);
        begin(&flow, kind->coding);
        flow.glance = 1 + next_random(&state) % 3000;
        flow.at_once = 1 + next_random(&state) % 3000;
        struct slice rest = buffer_bytes(&coded);
        while (rest.len > 0) {
            size_t len = 1 + next_random(&state) % 700;
            len = len < rest.len ? len : rest.len;
            cr_assert_eq(feed(&flow, slice_make(rest.ptr, len)), ENCODED_BYTES);
            rest = slice_skip(rest, len);
            read_out(&flow, &run);
            cr_assert_leq(buffer_len(&run.text), flow.seen);
            coded_end(&run);
        }
        cr_assert_eq(feed_end(&flow), ENCODED_OVER);
        cr_assert_eq(flow.seen, part.len);
        cr_assert(same(&flow.out, &coded));
        end(&flow);
    }
}

/* Text that is not looked at holds back all that it came in. */
Test(encoded_body, nothing_leaves_while_text_waits)
{
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        struct flow flow;
        struct buffer coded CLEANUP(buffer_fini);
        buffer_init(&coded, CODED_MAX);
        coded_kinds[k].encode(&coded, &before, 1);
        begin(&flow, coded_kinds[k].coding);
        (void)encoded_body_put(flow.body, buffer_bytes(&coded));
        while (encoded_body_wants(flow.body) == ENCODED_STEP) {
            encoded_body_step(flow.body);
        }
        cr_assert_eq(encoded_body_wants(flow.body), ENCODED_TEXT);
        encoded_body_seen(flow.body, before.len - 1);
        cr_assert_eq(encoded_body_clear(flow.body).len, 0, "%s", coded_kinds[k].name);
        encoded_body_seen(flow.body, 1);
        cr_assert_eq(feed(&flow, SLICE("")), ENCODED_BYTES);
        cr_assert_eq(feed_end(&flow), ENCODED_OVER);
        cr_assert(same(&flow.out, &coded));
        end(&flow);
    }
}

/* Of a symbol or a block that is not complete no byte leaves, for it may be a credential's. */
Test(encoded_body, what_is_not_decoded_yet_stays)
{
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        unsigned waited = 0;
        struct buffer coded CLEANUP(buffer_fini);
        buffer_init(&coded, CODED_MAX);
        coded_kinds[k].encode(&coded, &before, 1);
        for (size_t at = 1; at <= buffer_len(&coded); at++) {
            struct flow flow;
            struct coded_run run;
            struct slice bytes = slice_make(buffer_bytes(&coded).ptr, at);
            begin(&flow, coded_kinds[k].coding);
            cr_assert_eq(feed(&flow, bytes), ENCODED_BYTES);
            cr_assert_eq(coded_decode(&run, coded_kinds[k].coding, bytes), DECODE_MORE);
            size_t pending = decoder_pending(run.decoder);
            cr_assert_leq(buffer_len(&flow.out), at - pending, "%s at %zu", coded_kinds[k].name,
                          at);
            waited += pending > 0;
            coded_end(&run);
            end(&flow);
        }
        cr_assert(waited > 0);
    }
}

/* ---- a credential ---- */

/* Fed in two pieces, wherever they are split. `front` stands before the credential. */
static void expect_none_of_it(const struct coded_kind *kind, struct slice coded, struct slice front)
{
    for (size_t at = 0; at <= coded.len; at++) {
        struct flow flow;
        struct coded_run run;
        begin(&flow, kind->coding);
        enum encoded_want want = feed(&flow, slice_make(coded.ptr, at));
        if (want == ENCODED_BYTES) {
            want = feed(&flow, slice_skip(coded, at));
        }
        cr_assert_eq(want, ENCODED_REFUSED, "%s, split at %zu", kind->name, at);
        cr_assert_eq(refusal(&flow), ENCODED_MATCH);
        cr_assert_eq(encoded_body_clear(flow.body).len, 0);
        read_out(&flow, &run);
        struct slice out = buffer_bytes(&run.text);
        cr_assert(out.len <= front.len && memcmp(out.ptr, front.ptr, out.len) == 0,
                  "%s, split at %zu: %zu bytes", kind->name, at, out.len);
        coded_end(&run);
        end(&flow);
    }
}

Test(encoded_body, nothing_of_a_credential_leaves_wherever_its_code_is_split)
{
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        struct buffer text CLEANUP(buffer_fini);
        struct buffer coded CLEANUP(buffer_fini);
        buffer_init(&text, CODED_MAX);
        buffer_init(&coded, CODED_MAX);
        put(&text, before);
        put(&text, secret);
        put(&text, after);
        const struct slice part = buffer_bytes(&text);
        coded_kinds[k].encode(&coded, &part, 1);
        expect_none_of_it(&coded_kinds[k], buffer_bytes(&coded), before);
    }
}

Test(encoded_body, nothing_of_a_credential_leaves_wherever_it_is_flushed)
{
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        for (size_t at = 1; at < secret.len; at++) {
            struct buffer coded CLEANUP(buffer_fini);
            buffer_init(&coded, CODED_MAX);
            const struct slice parts[] = {before, slice_make(secret.ptr, at),
                                          slice_skip(secret, at), after};
            coded_kinds[k].encode(&coded, parts, 4);
            expect_none_of_it(&coded_kinds[k], buffer_bytes(&coded), before);
        }
    }
}

/* Few bytes that are many steps of text: the first step has taken them all. */
Test(encoded_body, a_credential_behind_steps_of_text_is_waited_for)
{
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        struct buffer text CLEANUP(buffer_fini);
        struct buffer coded CLEANUP(buffer_fini);
        buffer_init(&text, CODED_MAX);
        buffer_init(&coded, CODED_MAX);
        while (buffer_len(&text) < (size_t)5 * ENCODED_TEXT_BYTES) {
            put(&text, before);
        }
        size_t front = buffer_len(&text);
        put(&text, secret);
        put(&text, after);
        const struct slice part = buffer_bytes(&text);
        coded_kinds[k].encode(&coded, &part, 1);
        expect_none_of_it(&coded_kinds[k], buffer_bytes(&coded), slice_make(part.ptr, front));
    }
}

/* A name in a gzip header is there for all to see, and no text. */
Test(encoded_body, a_credential_beside_the_text_is_one)
{
    struct flow flow;
    begin(&flow, CODING_GZIP);
    cr_assert_eq(feed(&flow, slice_make("\x1f\x8b\x08\x08\0\0\0\0\0\x03", 10)), ENCODED_BYTES);
    cr_assert_eq(feed(&flow, slice_make(secret.ptr, 20)), ENCODED_BYTES);
    cr_assert_leq(buffer_len(&flow.out), 10);
    cr_assert_eq(feed(&flow, slice_skip(secret, 20)), ENCODED_REFUSED);
    cr_assert_eq(refusal(&flow), ENCODED_MATCH);
    cr_assert_leq(buffer_len(&flow.out), 10);
    end(&flow);
}

/* ---- what cannot be read ---- */

Test(encoded_body, what_breaks_off_is_refused_at_its_end)
{
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        struct buffer coded CLEANUP(buffer_fini);
        buffer_init(&coded, CODED_MAX);
        coded_kinds[k].encode(&coded, &before, 1);
        for (size_t len = 1; len < buffer_len(&coded); len++) {
            struct flow flow;
            begin(&flow, coded_kinds[k].coding);
            cr_assert_eq(feed(&flow, slice_make(buffer_bytes(&coded).ptr, len)), ENCODED_BYTES);
            cr_assert_eq(feed_end(&flow), ENCODED_REFUSED);
            cr_assert_eq(refusal(&flow), ENCODED_UNREADABLE);
            end(&flow);
        }
    }
}

Test(encoded_body, nothing_at_all_is_an_empty_one)
{
    struct flow flow;
    begin(&flow, CODING_BROTLI);
    cr_assert_eq(feed_end(&flow), ENCODED_OVER);
    end(&flow);
}

Test(encoded_body, what_is_no_code_is_refused)
{
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        struct flow flow;
        begin(&flow, coded_kinds[k].coding);
        cr_assert_eq(feed(&flow, SLICE("{\"this\":\"is no code\"}")), ENCODED_REFUSED);
        cr_assert_eq(refusal(&flow), ENCODED_UNREADABLE);
        end(&flow);
    }
}

/* ---- memory ---- */

/* With any less than it wants it says so, and gives all back. */
Test(encoded_body, where_there_is_no_memory_it_is_refused)
{
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        struct flow flow;
        struct buffer coded CLEANUP(buffer_fini);
        buffer_init(&coded, CODED_MAX);
        coded_kinds[k].encode(&coded, &before, 1);
        begin(&flow, coded_kinds[k].coding);
        size_t least = flow.memory.used;
        cr_assert_eq(feed(&flow, buffer_bytes(&coded)), ENCODED_BYTES);
        size_t wants = flow.memory.most;
        end(&flow);
        for (size_t max = least; max < wants; max += 1 + (wants - least) / 50) {
            begin(&flow, coded_kinds[k].coding);
            flow.memory.max = max;
            cr_assert_eq(feed(&flow, buffer_bytes(&coded)), ENCODED_REFUSED, "%s with %zu of %zu",
                         coded_kinds[k].name, max, wants);
            cr_assert_eq(refusal(&flow), ENCODED_NO_MEMORY);
            end(&flow);
        }
        struct coded_memory none = {.max = least - 1};
        const struct decode_memory memory = {.take = coded_take, .give = coded_give, .ctx = &none};
        cr_assert_null(encoded_body_new(coded_kinds[k].coding, NULL, NULL, &memory));
    }
}

Test(encoded_body, little_is_held_of_a_long_one)
{
    for (unsigned k = 0; k < CODED_KINDS; k++) {
        struct flow flow;
        size_t most = 0;
        struct buffer text CLEANUP(buffer_fini);
        struct buffer coded CLEANUP(buffer_fini);
        buffer_init(&text, CODED_MAX);
        buffer_init(&coded, CODED_MAX);
        coded_text(&text, 3000 * 1000);
        const struct slice part = buffer_bytes(&text);
        coded_kinds[k].encode(&coded, &part, 1);
        begin(&flow, coded_kinds[k].coding);
        for (struct slice rest = buffer_bytes(&coded); rest.len > 0;) {
            size_t len = rest.len < 16384 ? rest.len : 16384;
            cr_assert_eq(feed(&flow, slice_make(rest.ptr, len)), ENCODED_BYTES);
            rest = slice_skip(rest, len);
            most = most < encoded_body_held(flow.body) ? encoded_body_held(flow.body) : most;
        }
        cr_assert_eq(feed_end(&flow), ENCODED_OVER);
        cr_assert(same(&flow.out, &coded));
        cr_assert_leq(most, 2 * 128 * 1024, "%s: %zu", coded_kinds[k].name, most);
        end(&flow);
    }
}

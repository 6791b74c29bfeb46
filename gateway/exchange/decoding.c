#include "gateway/exchange/decoding.h"

#include "auth/secrets/secret_store.h"
#include "base/memory.h"
#include "base/secret.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/object_watch.h"
#include "gateway/exchange/steps.h"
#include "gateway/meter/decode.h"
#include "gateway/observe/metrics.h"

#include <assert.h>

enum {
    TEXT_BYTES = 16 * 1024,  /* that are decoded in a step */
    WORK_BYTES = 64 * 1024,  /* that are decoded before others are asked whether it is their turn */
    HELD_MAX = 512 * 1024,   /* of an encoded answer: a block of zstd, what came behind it, and what
                                32 KiB of text may be a match's beginning in */
    FIRST_BYTES = 32 * 1024, /* that are read before the head goes, if they are at hand */
    STEP_COSTS_BYTES = 64,   /* so much work is a step, however little comes out of it */
    MARKS_MAX = 32,
};

/* So far all bytes decode to text before that place. */
struct mark {
    uint64_t encoded, text;
};

struct decoding {
    struct decoder *decoder; /* owned */
    struct buffer held;      /* owned; encoded bytes that have not left */
    struct scrub_state raw;  /* of the encoded bytes themselves; of the text it is exchange.scrub */
    uint64_t left;           /* encoded bytes that have left; places below count from the first */
    uint64_t taken;          /* by the decoder */
    uint64_t passed;         /* up to here all that they decode to is clean */
    uint64_t text;           /* decoded bytes */
    uint64_t steps;
    struct mark marks[MARKS_MAX]; /* behind `passed`, ascending */
    unsigned mark_count;
    enum decode_result last; /* DECODE_FULL: there is more to come without input */
    bool events;
    bool finished; /* all is read, and may leave */
    enum problem_code problem;
    const char *why;  /* static */
    size_t looked_at; /* of the text of this step, by the metering */
    size_t text_len;
    char step[TEXT_BYTES];
};

/* ---- what is asked for ---- */

static bool wants_part(const struct http1_request *request)
{
    return http1_find_field(request->fields, request->field_count, SLICE("range")) != NULL;
}

static const struct scrubber *scrubber_of(const struct exchange *exchange)
{
    return exchange->credential == NULL ? NULL : exchange->credential->scrubber;
}

enum coding_choice decoding_choice(const struct exchange *exchange)
{
    if (scrubber_of(exchange) == NULL && !metering_may_read(exchange)) {
        return CODINGS_ALL;
    }
    return wants_part(exchange->request) || metering_may_change(exchange) ? CODINGS_NONE
                                                                          : CODINGS_KNOWN;
}

/* ---- memory ---- */

static bool take_memory(void *ctx, size_t bytes)
{
    struct exchange *exchange = ctx;
    if (!exchange_side_hold(exchange->side, bytes)) {
        return false;
    }
    exchange->held_bytes += bytes;
    return true;
}

static void give_memory(void *ctx, size_t bytes)
{
    struct exchange *exchange = ctx;
    exchange_side_release(exchange->side, bytes);
    exchange->held_bytes -= bytes;
}

/* ---- begin and end ---- */

static bool is_event_stream(const struct http1_response *response)
{
    for (unsigned i = 0; i < response->field_count; i++) {
        if (response->fields[i].id == HTTP1_CONTENT_TYPE) {
            return slice_starts_with_nocase(response->fields[i].value, SLICE("text/event-stream"));
        }
    }
    return false;
}

static enum step_result cannot_read(struct exchange *exchange)
{
    return exchange_fail(exchange, ENDED_BY_UPSTREAM, PROBLEM_UPSTREAM_INVALID_RESPONSE, "%s",
                         exchange->response->status == 206
                             ? "the provider sent an encoded part of an answer, which cannot be "
                               "read"
                             : "the provider sent an answer in an encoding that was not asked for");
}

bool decoding_begin(struct exchange *exchange, enum step_result *ret)
{
    const struct http1_response *response = exchange->response;
    enum coding coding = coding_of(response->fields, response->field_count);
    if (coding == CODING_IDENTITY || response->framing == HTTP1_NO_BODY ||
        (scrubber_of(exchange) == NULL && !metering_reads(exchange))) {
        return true;
    }
    if (coding == CODING_OTHER || response->status == 206) {
        *ret = cannot_read(exchange);
        return false;
    }
    if (!take_memory(exchange, sizeof(struct decoding))) {
        *ret = exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_OVERLOADED,
                             "gateway.limits.buffered_bytes is used up: try again later");
        return false;
    }
    const struct decode_memory memory = {.take = take_memory, .give = give_memory, .ctx = exchange};
    struct decoding *decoding = MEMORY_NEW(struct decoding);
    decoding->decoder = decoder_new(coding, &memory);
    decoding->events = metering_streams(exchange) || is_event_stream(response);
    decoding->last = DECODE_MORE;
    buffer_init(&decoding->held, HELD_MAX);
    exchange->decoding = decoding;
    return true;
}

void decoding_free(struct exchange *exchange)
{
    struct decoding *decoding = TAKE(exchange->decoding);
    if (decoding != NULL) {
        decoder_free(decoding->decoder);
        give_memory(exchange, sizeof(*decoding) + buffer_len(&decoding->held));
        buffer_fini(&decoding->held);
        scrub_state_fini(&decoding->raw);
        secret_wipe(decoding->step, sizeof(decoding->step));
        memory_free(decoding);
    }
}

bool decoding_keeps_head(const struct exchange *exchange)
{
    return exchange->decoding != NULL && !exchange->decoding->events;
}

uint64_t decoding_work(const struct exchange *exchange)
{
    const struct decoding *decoding = exchange->decoding;
    return decoding == NULL ? 0 : decoding->text + decoding->steps * STEP_COSTS_BYTES;
}

/* ---- refusals ---- */

static enum decoding_result refuse(struct decoding *decoding, enum problem_code problem,
                                   const char *why)
{
    decoding->problem = problem;
    decoding->why = why;
    return DECODING_REFUSED;
}

static enum decoding_result refuse_content(struct decoding *decoding, const char *why)
{
    return refuse(decoding, PROBLEM_UPSTREAM_INVALID_RESPONSE, why);
}

enum step_result decoding_refuse(struct exchange *exchange)
{
    const struct decoding *decoding = exchange->decoding;
    bool ours = decoding->problem == PROBLEM_OVERLOADED;
    if (exchange->facts.status != 0) {
        metrics_add(exchange->side->metrics, METRIC_responses_cut_total, 1);
    }
    return exchange_fail(exchange, ours ? ENDED_BY_GATEWAY : ENDED_BY_UPSTREAM, decoding->problem,
                         "the provider's answer is encoded, and %s", decoding->why);
}

/* ---- what may leave ---- */

static uint64_t received(const struct decoding *decoding)
{
    return decoding->left + buffer_len(&decoding->held);
}

/* False: there is a match. What may be the beginning of one is held in the state. */
static bool scan(struct exchange *exchange, struct scrub_state *state, struct slice bytes)
{
    const struct scrubber *scrubber = scrubber_of(exchange);
    if (scrubber == NULL || (state->held_len == 0 && scrub_is_clean(scrubber, bytes))) {
        return true;
    }
    while (bytes.len > 0 && state->hits == 0) {
        struct buffer *clean = &exchange->side->clean;
        struct slice part = slice_make(bytes.ptr, bytes.len < TEXT_BYTES ? bytes.len : TEXT_BYTES);
        enum status status = scrub(scrubber, state, part, clean);
        assert(status ==
               STATUS_OK); /* its maximum is larger than a part and all that can be held */
        buffer_consume(clean, buffer_len(clean));
        bytes = slice_skip(bytes, part.len);
    }
    return state->hits == 0;
}

/* Where there is no place for another mark, the last one moves: what lies between leaves later. */
static void put_mark(struct decoding *decoding)
{
    uint64_t encoded = decoding->taken - decoder_pending(decoding->decoder);
    unsigned count = decoding->mark_count;
    if (encoded <= (count == 0 ? decoding->passed : decoding->marks[count - 1].encoded)) {
        return;
    }
    decoding->mark_count = count < MARKS_MAX ? count + 1 : count;
    decoding->marks[decoding->mark_count - 1] =
        (struct mark){.encoded = encoded, .text = decoding->text};
}

/* Moves `passed` behind all whose text lies before what may be a match. */
static void pass_marks(const struct exchange *exchange)
{
    struct decoding *decoding = exchange->decoding;
    uint64_t open = decoding->text - exchange->scrub.held_len;
    unsigned count = 0;
    while (count < decoding->mark_count && decoding->marks[count].text <= open) {
        decoding->passed = decoding->marks[count++].encoded;
    }
    decoding->mark_count -= count;
    memmove(decoding->marks, decoding->marks + count,
            decoding->mark_count * sizeof(decoding->marks[0]));
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* How many of the held bytes may leave. The last one of an answer whose length is known completes
 * it, and waits until all of it is known to be good. */
static size_t clear(const struct exchange *exchange)
{
    const struct decoding *decoding = exchange->decoding;
    const struct http1_response *response = exchange->response;
    uint64_t end = received(decoding);
    if (!decoding->finished) {
        end = smaller(decoding->passed, end - decoding->raw.held_len);
    }
    if (!decoding->finished && response->framing == HTTP1_LENGTH && response->content_length > 0) {
        end = smaller(end, response->content_length - 1);
    }
    return end > decoding->left ? (size_t)(end - decoding->left) : 0;
}

/* ---- the steps ---- */

static enum decoding_result decode(struct exchange *exchange)
{
    struct decoding *decoding = exchange->decoding;
    struct slice input =
        slice_skip(buffer_bytes(&decoding->held), (size_t)(decoding->taken - decoding->left));
    size_t before = input.len;
    decoding->steps++;
    decoding->looked_at = 0;
    decoding->last =
        decoder_next(decoding->decoder, &input, decoding->step, TEXT_BYTES, &decoding->text_len);
    decoding->taken += before - input.len;
    decoding->text += decoding->text_len;
    if (decoding->last == DECODE_NO_MEMORY) {
        return refuse(decoding, PROBLEM_OVERLOADED,
                      "gateway.limits.buffered_bytes is used up: try again later");
    }
    if (decoding->last == DECODE_BROKEN) {
        return refuse_content(decoding, decoder_fault(decoding->decoder));
    }
    if (!scan(exchange, &exchange->scrub, slice_make(decoding->step, decoding->text_len))) {
        return refuse_content(decoding, "has the credential in it");
    }
    return DECODING_BUSY;
}

/* Text of this step that the metering has not seen. */
static enum decoding_result meter(struct exchange *exchange)
{
    struct decoding *decoding = exchange->decoding;
    struct slice text =
        slice_make(decoding->step + decoding->looked_at, decoding->text_len - decoding->looked_at);
    size_t count = text.len;
    enum metering_pass pass = METERING_PASS;
    if (exchange->metering != NULL) {
        pass = metering_look_text(exchange, text, &count);
    }
    object_watch_look(exchange, slice_make(text.ptr, count));
    decoding->looked_at += count;
    return pass == METERING_EXTEND ? DECODING_EXTEND : DECODING_BUSY;
}

/* All that was taken is decoded, as far as it goes, and was looked at. */
static bool is_looked_at(const struct decoding *decoding)
{
    return decoding->last == DECODE_MORE && decoding->looked_at == decoding->text_len;
}

static bool is_decoded(const struct decoding *decoding)
{
    return is_looked_at(decoding) && decoding->taken == received(decoding);
}

/* All of the answer is here and decoded. */
static enum decoding_result finish(struct decoding *decoding)
{
    if (!decoder_whole(decoding->decoder) && received(decoding) > 0) {
        return refuse_content(decoding, "it breaks off");
    }
    decoding->finished = true; /* what might have been the beginning of a match is none */
    return DECODING_BUSY;
}

static enum decoding_result take_in(struct exchange *exchange, struct slice data)
{
    struct decoding *decoding = exchange->decoding;
    size_t room = buffer_room(&decoding->held);
    data.len = data.len < room ? data.len : room;
    if (data.len == 0) {
        return refuse_content(decoding, "too much of it would have to be held");
    }
    if (!take_memory(exchange, data.len)) {
        return refuse(decoding, PROBLEM_OVERLOADED,
                      "gateway.limits.buffered_bytes is used up: try again later");
    }
    enum status status = buffer_append(&decoding->held, data);
    assert(status == STATUS_OK);
    bool clean = scan(exchange, &decoding->raw, data); /* what is stored, or beside the text */
    attempt_consume(exchange->attempt, data.len);
    exchange->scrub.hits += decoding->raw.hits;
    return clean ? DECODING_BUSY : refuse_content(decoding, "has the credential in it");
}

/* Of an answer whose length is known, the end is known with its last byte. */
static bool is_all(const struct exchange *exchange)
{
    return exchange->response->framing == HTTP1_LENGTH &&
           received(exchange->decoding) == exchange->response->content_length;
}

static enum decoding_result read_more(struct exchange *exchange)
{
    struct slice data;
    struct decoding *decoding = exchange->decoding;
    if (!decoding->finished && is_all(exchange)) {
        return finish(decoding);
    }
    switch (attempt_read(exchange->attempt, &data)) {
    case ATTEMPT_READY:
        return take_in(exchange, data);
    case ATTEMPT_PENDING:
        return DECODING_PENDING;
    case ATTEMPT_END:
        return decoding->finished ? DECODING_END : finish(decoding);
    case ATTEMPT_FAILED:
        break;
    }
    return DECODING_FAILED;
}

static enum decoding_result go_on(struct exchange *exchange)
{
    struct decoding *decoding = exchange->decoding;
    if (decoding->looked_at < decoding->text_len) {
        return meter(exchange);
    }
    return is_decoded(decoding) ? read_more(exchange) : decode(exchange);
}

/* Is there something to be passed on? While nothing of the answer has left, what is wrong with it
 * can still be told: then as much is read first as there is at hand. */
static bool is_enough(const struct exchange *exchange)
{
    const struct decoding *decoding = exchange->decoding;
    bool may_wait = exchange->facts.status == 0 && decoding_keeps_head(exchange) &&
                    !decoding->finished && buffer_len(&decoding->held) < FIRST_BYTES;
    return clear(exchange) > 0 && !may_wait;
}

enum decoding_result decoding_read(struct exchange *exchange, struct slice *ret_data)
{
    struct decoding *decoding = exchange->decoding;
    enum decoding_result result = DECODING_BUSY;
    uint64_t before = decoding_work(exchange);
    while (result == DECODING_BUSY && !is_enough(exchange) &&
           decoding_work(exchange) - before < WORK_BYTES) {
        result = go_on(exchange);
        if (is_looked_at(decoding)) {
            put_mark(decoding);
        }
        pass_marks(exchange);
    }
    size_t count = clear(exchange);
    if ((result == DECODING_BUSY && is_enough(exchange)) ||
        (result == DECODING_PENDING && count > 0)) {
        *ret_data = slice_make(buffer_bytes(&decoding->held).ptr, count);
        return DECODING_READY;
    }
    return result;
}

void decoding_consume(struct exchange *exchange, size_t count)
{
    struct decoding *decoding = exchange->decoding;
    buffer_consume(&decoding->held, count);
    decoding->left += count;
    give_memory(exchange, count);
}

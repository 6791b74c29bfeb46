#include "gateway/exchange/encoded_body.h"

#include "auth/outbound/scrub.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "base/secret.h"

#include <assert.h>

enum {
    STEP_COSTS_BYTES = 64, /* so much work is a step, however little comes out of it */
    MARKS_MAX = 32,
};

/* So far all bytes decode to text before that place. */
struct mark {
    uint64_t encoded, text;
};

struct encoded_body {
    struct decoder *decoder;         /* owned */
    const struct scrubber *scrubber; /* borrowed; NULL: no credential is looked for */
    struct buffer *scratch;          /* borrowed */
    struct decode_memory memory;
    struct buffer held;     /* owned; encoded bytes that have not left */
    struct scrub_state raw; /* of the encoded bytes themselves */
    struct scrub_state scrub;
    uint64_t left;   /* encoded bytes that have left; places below count from the first */
    uint64_t taken;  /* by the decoder */
    uint64_t passed; /* up to here all that they decode to is clean */
    uint64_t text;   /* decoded bytes */
    uint64_t steps;
    struct mark marks[MARKS_MAX]; /* behind `passed`, ascending */
    unsigned mark_count;
    enum decode_result last; /* DECODE_FULL: there is more to come without input */
    bool over;               /* all is read, and may leave */
    bool refused;
    enum encoded_refusal refusal;
    const char *why;  /* static */
    size_t looked_at; /* of the text of this step */
    size_t text_len;
    char step[ENCODED_TEXT_BYTES];
};

struct encoded_body *encoded_body_new(enum coding coding, const struct scrubber *scrubber,
                                      struct buffer *scratch, const struct decode_memory *memory)
{
    if (!memory->take(memory->ctx, sizeof(struct encoded_body))) {
        return NULL;
    }
    struct encoded_body *body = MEMORY_NEW(struct encoded_body);
    body->decoder = decoder_new(coding, memory);
    body->scrubber = scrubber;
    body->scratch = scratch;
    body->memory = *memory;
    body->last = DECODE_MORE;
    buffer_init(&body->held, ENCODED_HELD_MAX);
    return body;
}

void encoded_body_free(struct encoded_body *body)
{
    if (body == NULL) {
        return;
    }
    struct decode_memory memory = body->memory;
    decoder_free(body->decoder);
    memory.give(memory.ctx, sizeof(*body) + buffer_len(&body->held));
    buffer_fini(&body->held);
    scrub_state_fini(&body->raw);
    scrub_state_fini(&body->scrub);
    secret_wipe(body->step, sizeof(body->step));
    memory_free(body);
}

static void refuse(struct encoded_body *body, enum encoded_refusal refusal, const char *why)
{
    body->refused = true;
    body->refusal = refusal;
    body->why = why;
}

static void refuse_memory(struct encoded_body *body)
{
    refuse(body, ENCODED_NO_MEMORY, "gateway.limits.buffered_bytes is used up: try again later");
}

/* Looks for the credential. What may be the beginning of a match is held in the state. */
static void scan(struct encoded_body *body, struct scrub_state *state, struct slice bytes)
{
    if (body->scrubber == NULL || (state->held_len == 0 && scrub_is_clean(body->scrubber, bytes))) {
        return;
    }
    while (bytes.len > 0 && state->hits == 0) {
        size_t len = bytes.len < ENCODED_TEXT_BYTES ? bytes.len : ENCODED_TEXT_BYTES;
        enum status status =
            scrub(body->scrubber, state, slice_make(bytes.ptr, len), body->scratch);
        assert(status == STATUS_OK); /* there is room for a step's text and all that can be held */
        buffer_consume(body->scratch, buffer_len(body->scratch));
        bytes = slice_skip(bytes, len);
    }
    if (state->hits > 0) {
        refuse(body, ENCODED_MATCH, "has the credential in it");
    }
}

/* ---- what may leave ---- */

uint64_t encoded_body_received(const struct encoded_body *body)
{
    return body->left + buffer_len(&body->held);
}

size_t encoded_body_held(const struct encoded_body *body)
{
    return buffer_len(&body->held);
}

/* All that was taken is decoded, as far as it goes, and was looked at. */
static bool is_looked_at(const struct encoded_body *body)
{
    return body->last == DECODE_MORE && body->looked_at == body->text_len;
}

/* Where there is no place for another mark, the last one moves: what lies between leaves later. */
static void put_mark(struct encoded_body *body)
{
    uint64_t encoded = body->taken - decoder_pending(body->decoder);
    unsigned count = body->mark_count;
    if (!is_looked_at(body) ||
        encoded <= (count == 0 ? body->passed : body->marks[count - 1].encoded)) {
        return;
    }
    body->mark_count = count < MARKS_MAX ? count + 1 : count;
    body->marks[body->mark_count - 1] = (struct mark){.encoded = encoded, .text = body->text};
}

/* Moves `passed` behind all whose text lies before what may be a match. */
static void pass_marks(struct encoded_body *body)
{
    uint64_t open = body->text - body->scrub.held_len;
    unsigned count = 0;
    while (count < body->mark_count && body->marks[count].text <= open) {
        body->passed = body->marks[count++].encoded;
    }
    body->mark_count -= count;
    memmove(body->marks, body->marks + count, body->mark_count * sizeof(body->marks[0]));
}

struct slice encoded_body_clear(const struct encoded_body *body)
{
    uint64_t end = encoded_body_received(body);
    if (!body->over) {
        uint64_t raw = end - body->raw.held_len;
        end = body->passed < raw ? body->passed : raw;
    }
    bool any = !body->refused && end > body->left;
    return slice_make(buffer_bytes(&body->held).ptr, any ? (size_t)(end - body->left) : 0);
}

void encoded_body_leave(struct encoded_body *body, size_t count)
{
    buffer_consume(&body->held, count);
    body->left += count;
    body->memory.give(body->memory.ctx, count);
}

/* ---- the steps ---- */

enum encoded_want encoded_body_wants(const struct encoded_body *body)
{
    if (body->refused) {
        return ENCODED_REFUSED;
    }
    if (body->looked_at < body->text_len) {
        return ENCODED_TEXT;
    }
    if (body->over) {
        return ENCODED_OVER;
    }
    return body->last == DECODE_MORE && body->taken == encoded_body_received(body) ? ENCODED_BYTES
                                                                                   : ENCODED_STEP;
}

uint64_t encoded_body_work(const struct encoded_body *body)
{
    return body->text + body->steps * STEP_COSTS_BYTES;
}

void encoded_body_step(struct encoded_body *body)
{
    assert(encoded_body_wants(body) == ENCODED_STEP);
    struct slice input = slice_skip(buffer_bytes(&body->held), (size_t)(body->taken - body->left));
    size_t before = input.len;
    body->looked_at = 0;
    body->last =
        decoder_next(body->decoder, &input, body->step, ENCODED_TEXT_BYTES, &body->text_len);
    body->steps++;
    body->taken += before - input.len;
    body->text += body->text_len;
    if (body->last == DECODE_NO_MEMORY) {
        refuse_memory(body);
    } else if (body->last == DECODE_BROKEN) {
        refuse(body, ENCODED_UNREADABLE, decoder_fault(body->decoder));
    } else {
        scan(body, &body->scrub, slice_make(body->step, body->text_len));
        encoded_body_seen(body, 0);
    }
}

struct slice encoded_body_text(const struct encoded_body *body)
{
    return slice_make(body->step + body->looked_at, body->text_len - body->looked_at);
}

void encoded_body_seen(struct encoded_body *body, size_t count)
{
    assert(count <= body->text_len - body->looked_at);
    body->looked_at += count;
    put_mark(body);
    pass_marks(body);
}

size_t encoded_body_put(struct encoded_body *body, struct slice data)
{
    assert(encoded_body_wants(body) == ENCODED_BYTES);
    size_t room = buffer_room(&body->held);
    data.len = data.len < room ? data.len : room;
    if (data.len == 0) {
        refuse(body, ENCODED_UNREADABLE, "too much of it would have to be held");
        return 0;
    }
    if (!body->memory.take(body->memory.ctx, data.len)) {
        refuse_memory(body);
        return 0;
    }
    enum status status = buffer_append(&body->held, data);
    assert(status == STATUS_OK);
    scan(body, &body->raw, data);
    return data.len;
}

void encoded_body_end(struct encoded_body *body)
{
    assert(encoded_body_wants(body) == ENCODED_BYTES);
    if (!decoder_whole(body->decoder) && encoded_body_received(body) > 0) {
        refuse(body, ENCODED_UNREADABLE, "it breaks off");
    } else {
        body->over = true; /* what might have been the beginning of a match is none */
    }
}

enum encoded_refusal encoded_body_refusal(const struct encoded_body *body, const char **ret_why)
{
    assert(body->refused);
    *ret_why = body->why;
    return body->refusal;
}

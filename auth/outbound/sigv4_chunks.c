#include "auth/outbound/sigv4_chunks.h"

#include "auth/outbound/signer_internal.h"
#include "base/encode.h"
#include "base/memory.h"
#include "base/secret.h"

enum {
    HEAD_MAX = 128, /* "10000;chunk-signature=…\r\n" */
    SIZE_DIGITS_MAX = 8,
    HEX_BYTES = 2 * SHA256_BYTES,
    STRING_MAX = 512,
};

static const struct slice signature_mark = SLICE_INIT(";chunk-signature=");
static const struct slice trailer_mark = SLICE_INIT("x-amz-trailer-signature:");
static const struct slice line_end = SLICE_INIT("\r\n");

enum state {
    STATE_HEAD,     /* of a chunk, up to its line's end */
    STATE_DATA,     /* its data, with the line end behind it */
    STATE_LAST,     /* the line end behind the empty chunk */
    STATE_TRAILERS, /* behind the empty chunk, up to an empty line */
    STATE_END,
};

struct sigv4_chunks {
    struct sigv4_seed seed; /* its signature is that of the chunk before */
    enum sigv4_trailers trailers;
    enum state state;
    bool ready;          /* `piece` is signed */
    struct buffer piece; /* a chunk, from its head on */
    size_t head_len;     /* of that head */
    size_t missing;      /* bytes of the data and what is behind it that are still to come */
};

struct sigv4_chunks *sigv4_chunks_new(const struct sigv4_seed *seed, enum sigv4_trailers trailers)
{
    struct sigv4_chunks *chunks = MEMORY_NEW(struct sigv4_chunks);
    chunks->seed = *seed;
    chunks->trailers = trailers;
    buffer_init(&chunks->piece, HEAD_MAX + SIGV4_CHUNK_MAX + SIGV4_TRAILERS_MAX);
    return chunks;
}

void sigv4_chunks_free(struct sigv4_chunks *chunks)
{
    if (chunks != NULL) {
        buffer_fini(&chunks->piece);
        secret_wipe(chunks, sizeof(*chunks));
        memory_free(chunks);
    }
}

struct slice sigv4_chunks_ready(const struct sigv4_chunks *chunks)
{
    return chunks->ready ? buffer_bytes(&chunks->piece) : slice_make("", 0);
}

void sigv4_chunks_consume(struct sigv4_chunks *chunks, size_t count)
{
    if (chunks->ready) {
        buffer_consume(&chunks->piece, count);
        chunks->ready = buffer_len(&chunks->piece) > 0;
    }
}

bool sigv4_chunks_ended(const struct sigv4_chunks *chunks)
{
    return chunks->state == STATE_END;
}

size_t sigv4_chunks_held(const struct sigv4_chunks *chunks)
{
    return buffer_len(&chunks->piece) + chunks->missing;
}

/* ---- signatures ---- */

static void put(char *text, size_t *len, struct slice part)
{
    memcpy(text + *len, part.ptr, part.len);
    *len += part.len;
    text[(*len)++] = '\n';
}

/* Makes the next signature of the chain. `hashes`: the lines behind the signature before. */
static void sign(struct sigv4_chunks *chunks, struct slice algorithm, const struct slice *hashes,
                 unsigned count)
{
    struct sigv4_seed *seed = &chunks->seed;
    char text[STRING_MAX];
    unsigned char mac[SHA256_BYTES];
    size_t len = 0;
    put(text, &len, algorithm);
    put(text, &len, slice_make(seed->time, sizeof(seed->time)));
    put(text, &len, slice_make(seed->scope, seed->scope_len));
    put(text, &len, slice_make(seed->signature, sizeof(seed->signature)));
    for (unsigned i = 0; i < count; i++) {
        put(text, &len, hashes[i]);
    }
    hmac_sha256(&seed->key, slice_make(text, len - 1), mac);
    encode_hex(slice_make((const char *)mac, sizeof(mac)), seed->signature);
}

static void hash_hex(struct slice bytes, char out[HEX_BYTES])
{
    unsigned char hash[SHA256_BYTES];
    digest_sha256(bytes, hash);
    encode_hex(slice_make((const char *)hash, sizeof(hash)), out);
}

static char *piece_at(struct sigv4_chunks *chunks, size_t offset)
{
    return chunks->piece.ptr + chunks->piece.start + offset;
}

static void sign_chunk(struct sigv4_chunks *chunks, size_t data_len)
{
    char empty[HEX_BYTES];
    char data[HEX_BYTES];
    hash_hex(slice_make("", 0), empty);
    hash_hex(slice_make(piece_at(chunks, chunks->head_len), data_len), data);
    const struct slice hashes[] = {slice_make(empty, sizeof(empty)),
                                   slice_make(data, sizeof(data))};
    sign(chunks, SLICE("AWS4-HMAC-SHA256-PAYLOAD"), hashes, 2);
    memcpy(piece_at(chunks, chunks->head_len - line_end.len - HEX_BYTES), chunks->seed.signature,
           HEX_BYTES);
    chunks->ready = true;
}

/* ---- heads ---- */

static bool is_hex(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (ascii_hex_value(text.ptr[i]) == ASCII_NOT_HEX) {
            return false;
        }
    }
    return text.len > 0;
}

static enum status read_head(struct sigv4_chunks *chunks, size_t *ret_size, struct error *err)
{
    struct slice head = buffer_bytes(&chunks->piece);
    size_t mark = slice_find(head, ';');
    struct slice digits = slice_make(head.ptr, mark);
    struct slice rest = slice_skip(head, mark);
    struct slice signature = slice_skip(rest, signature_mark.len);
    if (!is_hex(digits) || digits.len > SIZE_DIGITS_MAX ||
        !slice_starts_with(rest, signature_mark) || signature.len != HEX_BYTES + line_end.len ||
        !is_hex(slice_make(signature.ptr, HEX_BYTES))) {
        FAIL(err, STATUS_INVALID,
             "a chunk of the body does not begin with SIZE;chunk-signature=SIGNATURE");
    }
    size_t size = 0;
    for (size_t i = 0; i < digits.len; i++) {
        size = size << 4 | ascii_hex_value(digits.ptr[i]);
    }
    if (size > SIGV4_CHUNK_MAX) {
        FAIL(err, STATUS_INVALID, "a signed chunk of the body is longer than %d bytes",
             SIGV4_CHUNK_MAX);
    }
    chunks->head_len = head.len;
    *ret_size = size;
    return STATUS_OK;
}

static enum status begin_chunk(struct sigv4_chunks *chunks, struct error *err)
{
    size_t size = 0;
    TRY(read_head(chunks, &size, err));
    if (size > 0) {
        chunks->missing = size + line_end.len;
        chunks->state = STATE_DATA;
    } else if (chunks->trailers == SIGV4_NO_TRAILERS) {
        chunks->missing = line_end.len;
        chunks->state = STATE_LAST;
    } else {
        sign_chunk(chunks, 0);
        chunks->state = STATE_TRAILERS;
    }
    return STATUS_OK;
}

/* ---- trailers ---- */

static enum status sign_trailers(struct sigv4_chunks *chunks, struct error *err)
{
    struct buffer text CLEANUP(buffer_fini);
    struct slice all = buffer_bytes(&chunks->piece);
    struct slice rest = all;
    struct slice given = {NULL, 0};
    buffer_init(&text, 2 * SIGV4_TRAILERS_MAX);
    while (rest.len > 0 && given.ptr == NULL) {
        struct slice line = signing_take_line(&rest);
        size_t colon = slice_find(line, ':');
        struct slice value = slice_trim(slice_skip(line, colon + 1));
        if (slice_starts_with_nocase(line, trailer_mark)) {
            given = value;
        } else if (line.len > 0) {
            TRY(signing_append_lower(&text, slice_make(line.ptr, colon)));
            TRY(buffer_append(&text, SLICE(":")));
            TRY(buffer_append(&text, value));
            TRY(buffer_append(&text, SLICE("\n")));
        }
    }
    if (given.len != HEX_BYTES || !slice_equal(rest, line_end)) {
        FAIL(err, STATUS_INVALID, "the body's trailers do not end with x-amz-trailer-signature");
    }
    char hash[HEX_BYTES];
    hash_hex(buffer_bytes(&text), hash);
    const struct slice hashes[] = {slice_make(hash, sizeof(hash))};
    sign(chunks, SLICE("AWS4-HMAC-SHA256-TRAILER"), hashes, 1);
    memcpy(piece_at(chunks, (size_t)(given.ptr - all.ptr)), chunks->seed.signature, HEX_BYTES);
    chunks->ready = true;
    chunks->state = STATE_END;
    return STATUS_OK;
}

/* ---- what comes ---- */

static bool ends_with(const struct buffer *buffer, struct slice end)
{
    struct slice bytes = buffer_bytes(buffer);
    return bytes.len >= end.len && slice_equal(slice_skip(bytes, bytes.len - end.len), end);
}

/* Byte by byte up to `end`. */
static enum status take_until(struct sigv4_chunks *chunks, struct slice bytes, struct slice end,
                              size_t most, size_t *taken, struct error *err)
{
    while (*taken < bytes.len && !ends_with(&chunks->piece, end)) {
        if (buffer_len(&chunks->piece) == most) {
            FAIL(err, STATUS_INVALID, "the signed chunks of the body are not what they should be");
        }
        TRY(buffer_append(&chunks->piece, slice_make(bytes.ptr + *taken, 1)));
        (*taken)++;
    }
    return STATUS_OK;
}

static enum status take_data(struct sigv4_chunks *chunks, struct slice bytes, size_t *taken,
                             struct error *err)
{
    size_t count = bytes.len < chunks->missing ? bytes.len : chunks->missing;
    TRY(buffer_append(&chunks->piece, slice_make(bytes.ptr, count)));
    chunks->missing -= count;
    *taken = count;
    if (chunks->missing > 0) {
        return STATUS_OK;
    }
    if (!ends_with(&chunks->piece, line_end)) {
        FAIL(err, STATUS_INVALID, "a signed chunk of the body is not as long as it says");
    }
    sign_chunk(chunks, buffer_len(&chunks->piece) - chunks->head_len - line_end.len);
    chunks->state = chunks->state == STATE_LAST ? STATE_END : STATE_HEAD;
    return STATUS_OK;
}

enum status sigv4_chunks_take(struct sigv4_chunks *chunks, struct slice bytes, size_t *ret_taken,
                              struct error *err)
{
    *ret_taken = 0;
    if (chunks->ready || bytes.len == 0) {
        return STATUS_OK;
    }
    switch (chunks->state) {
    case STATE_HEAD:
        TRY(take_until(chunks, bytes, line_end, HEAD_MAX, ret_taken, err));
        return ends_with(&chunks->piece, line_end) ? begin_chunk(chunks, err) : STATUS_OK;
    case STATE_DATA:
    case STATE_LAST:
        return take_data(chunks, bytes, ret_taken, err);
    case STATE_TRAILERS:
        TRY(take_until(chunks, bytes, SLICE("\r\n\r\n"), SIGV4_TRAILERS_MAX, ret_taken, err));
        return ends_with(&chunks->piece, SLICE("\r\n\r\n")) ? sign_trailers(chunks, err)
                                                            : STATUS_OK;
    case STATE_END:
        break;
    }
    FAIL(err, STATUS_INVALID, "there are bytes behind the body's last signed chunk");
}

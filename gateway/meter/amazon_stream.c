#include "gateway/meter/amazon_stream.h"

enum state {
    STATE_PRELUDE,
    STATE_HEADERS,
    STATE_MATCH,   /* a payload begins, which may be {"bytes":"..."} */
    STATE_DECODE,  /* it is */
    STATE_PLAIN,   /* it is not */
    STATE_IGNORE,  /* the rest of the payload says nothing */
    STATE_TRAILER, /* a checksum */
    STATE_BROKEN,
};

enum { TRAILER = 4, BEYOND_PAYLOAD = AMAZON_PRELUDE + TRAILER, BITS_A_CHAR = 6, BITS_A_BYTE = 8 };

static const char marker[] = "{\"bytes\":\"";

static uint32_t read_word(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void read_prelude(struct amazon_stream *stream, struct slice *data)
{
    size_t wanted = (size_t)AMAZON_PRELUDE - stream->prelude_len;
    size_t count = data->len < wanted ? data->len : wanted;
    memcpy(stream->prelude + stream->prelude_len, data->ptr, count);
    stream->prelude_len = (uint8_t)(stream->prelude_len + count);
    *data = slice_skip(*data, count);
    if (stream->prelude_len < AMAZON_PRELUDE) {
        return;
    }
    uint32_t total = read_word(stream->prelude);
    uint32_t headers = read_word(stream->prelude + 4);
    if (total < BEYOND_PAYLOAD || headers > total - BEYOND_PAYLOAD) {
        stream->state = STATE_BROKEN;
        return;
    }
    stream->prelude_len = 0;
    stream->skip = headers;
    stream->payload = total - headers - BEYOND_PAYLOAD;
    stream->matched = 0;
    stream->bits = 0;
    stream->bits_count = 0;
    stream->state = STATE_HEADERS;
}

/* True: nothing is left to skip. */
static bool skip(struct amazon_stream *stream, struct slice *data)
{
    size_t count = data->len < stream->skip ? data->len : stream->skip;
    *data = slice_skip(*data, count);
    stream->skip -= (uint32_t)count;
    return stream->skip == 0;
}

static void end_payload(struct amazon_stream *stream)
{
    if (stream->payload == 0) {
        stream->skip = TRAILER;
        stream->state = STATE_TRAILER;
    }
}

/* Takes the next bytes of the payload, at most `most` of them. */
static struct slice take(struct amazon_stream *stream, struct slice *data, size_t most)
{
    size_t count = data->len < stream->payload ? data->len : stream->payload;
    count = count < most ? count : most;
    struct slice taken = slice_make(data->ptr, count);
    *data = slice_skip(*data, count);
    stream->payload -= (uint32_t)count;
    return taken;
}

/* True: it is another payload, whose first bytes, those that matched, are a piece. */
static bool match(struct amazon_stream *stream, struct slice *data, struct slice *ret_piece)
{
    bool matches = data->ptr[0] == marker[stream->matched];
    if (matches) {
        (void)take(stream, data, 1);
        stream->matched++;
    }
    if (matches && stream->matched < sizeof(marker) - 1 && stream->payload > 0) {
        return false;
    }
    if (stream->matched == sizeof(marker) - 1) {
        stream->state = STATE_DECODE;
        end_payload(stream);
        return false;
    }
    *ret_piece = slice_make(marker, stream->matched);
    stream->state = STATE_PLAIN;
    end_payload(stream);
    return ret_piece->len > 0;
}

/* 64: it is none. */
static unsigned digit_of(char byte)
{
    return byte >= 'A' && byte <= 'Z'   ? (unsigned)(byte - 'A')
           : byte >= 'a' && byte <= 'z' ? (unsigned)(byte - 'a') + 26
           : byte >= '0' && byte <= '9' ? (unsigned)(byte - '0') + 52
           : byte == '+'                ? 62
           : byte == '/'                ? 63
                                        : 64;
}

/* True: there is a piece. */
static bool decode(struct amazon_stream *stream, struct slice *data, struct slice *ret_piece)
{
    struct slice taken = take(stream, data, AMAZON_DECODED);
    size_t len = 0;
    for (size_t i = 0; i < taken.len && stream->state == STATE_DECODE; i++) {
        unsigned digit = digit_of(taken.ptr[i]);
        if (digit == 64) {
            stream->state = STATE_IGNORE;
            break;
        }
        stream->bits = stream->bits << BITS_A_CHAR | digit;
        stream->bits_count = (uint8_t)(stream->bits_count + BITS_A_CHAR);
        if (stream->bits_count >= BITS_A_BYTE) {
            stream->bits_count = (uint8_t)(stream->bits_count - BITS_A_BYTE);
            stream->decoded[len++] = (char)(stream->bits >> stream->bits_count & 0xff);
        }
    }
    end_payload(stream);
    *ret_piece = slice_make(stream->decoded, len);
    return len > 0;
}

/* True: there is a piece. */
static bool read_payload(struct amazon_stream *stream, struct slice *data, struct slice *ret_piece)
{
    if (stream->state == STATE_MATCH) {
        return match(stream, data, ret_piece);
    }
    if (stream->state == STATE_DECODE) {
        return decode(stream, data, ret_piece);
    }
    struct slice taken = take(stream, data, data->len);
    bool plain = stream->state == STATE_PLAIN;
    end_payload(stream);
    *ret_piece = taken;
    return plain;
}

/* Nothing of the payload was read. */
static void begin_payload(struct amazon_stream *stream)
{
    stream->state = STATE_MATCH;
    end_payload(stream);
}

enum event_stream_found amazon_stream_next(struct amazon_stream *stream, struct slice *data,
                                           struct slice *ret_piece)
{
    while (data->len > 0 || (stream->state == STATE_HEADERS && stream->skip == 0)) {
        switch ((enum state)stream->state) {
        case STATE_PRELUDE:
            read_prelude(stream, data);
            break;
        case STATE_HEADERS:
            if (skip(stream, data)) {
                begin_payload(stream);
            }
            break;
        case STATE_MATCH:
        case STATE_DECODE:
        case STATE_PLAIN:
        case STATE_IGNORE:
            if (read_payload(stream, data, ret_piece)) {
                return EVENT_STREAM_DATA;
            }
            break;
        case STATE_TRAILER:
            if (skip(stream, data)) {
                stream->state = STATE_PRELUDE;
                return EVENT_STREAM_END;
            }
            break;
        case STATE_BROKEN:
            *data = slice_skip(*data, data->len);
            break;
        }
    }
    return EVENT_STREAM_MORE;
}

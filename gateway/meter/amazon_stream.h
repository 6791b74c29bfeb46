/*
 * amazon_stream: reads application/vnd.amazon.eventstream (AWS, "Event stream encoding"), split
 * anywhere, in constant memory: the payloads of its messages are handed on piece by piece.
 *
 * A payload of the form {"bytes":"..."}, as Bedrock's InvokeModelWithResponseStream has it, is
 * handed on as what the base64 stands for. Checksums are not looked at: the caller's SDK does that.
 */
#pragma once

#include "base/slice.h"
#include "gateway/meter/event_stream.h"

#include <stdbool.h>
#include <stdint.h>

enum { AMAZON_PRELUDE = 12, AMAZON_DECODED = 96 };

struct amazon_stream {
    uint8_t state;
    uint8_t prelude_len;
    unsigned char
        prelude[AMAZON_PRELUDE]; /* lengths of the message and of its headers, a checksum */
    uint32_t skip;               /* bytes that come before what is next */
    uint32_t payload;            /* bytes of it that are left */
    uint8_t matched;             /* of {"bytes":" */
    uint8_t bits_count;          /* of base64, that are not a byte yet */
    uint32_t bits;
    char decoded[AMAZON_DECODED];
};

/* Zero-initialized is the start of a stream. */

/* As event_stream_next(). A piece lies in *data or in the stream; the latter until the next call.
 * What is no such stream has no data. */
enum event_stream_found amazon_stream_next(struct amazon_stream *stream, struct slice *data,
                                           struct slice *ret_piece);

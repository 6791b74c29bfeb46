#include "gateway/exchange/receipt.h"

#include "base/buffer.h"
#include "gateway/exchange/exchange.h"
#include "gateway/exchange/metering.h"

enum { NANO_DIGITS = 9 };
static const uint64_t nano = UINT64_C(1000000000);

enum status receipt_put_usd(uint64_t nanousd, struct buffer *out)
{
    char digits[NANO_DIGITS];
    uint64_t rest = nanousd % nano;
    for (unsigned i = NANO_DIGITS; i > 0; i--) {
        digits[i - 1] = (char)('0' + rest % 10);
        rest /= 10;
    }
    TRY(buffer_append_number(out, nanousd / nano));
    TRY(buffer_append(out, SLICE(".")));
    return buffer_append(out, slice_make(digits, NANO_DIGITS));
}

/* Input and output always, the other kinds where there was something; they do not overlap, so what
 * is a part of the output is left out. */
static bool is_told(const struct usage *usage, enum usage_kind kind)
{
    return kind == USAGE_INPUT || kind == USAGE_OUTPUT ||
           (kind != USAGE_REASONING && usage_get(usage, kind) > 0);
}

static enum status put_usage(const struct usage *usage, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("X-Sallyport-Usage: ")));
    for (unsigned i = 0; i < USAGE_KINDS; i++) {
        enum usage_kind kind = (enum usage_kind)i;
        if (is_told(usage, kind)) {
            TRY(buffer_append(out, i == 0 ? SLICE("") : SLICE(";")));
            TRY(buffer_append(out, usage_kind_name(kind)));
            TRY(buffer_append(out, SLICE("=")));
            TRY(buffer_append_number(out, usage_get(usage, kind)));
        }
    }
    return buffer_append(out, SLICE("\r\n"));
}

enum status receipt_write(const struct exchange *exchange, struct buffer *out)
{
    struct metering_result used;
    if (!metering_closed(exchange) || !metering_result(exchange, &used)) {
        return STATUS_OK;
    }
    if (used.price != NULL) {
        TRY(buffer_append(out, SLICE("X-Sallyport-Cost-USD: ")));
        TRY(receipt_put_usd(used.cost_nanousd, out));
        TRY(buffer_append(out, SLICE("\r\n")));
    }
    return put_usage(&used.usage, out);
}

/* A client that did not ask for trailers may not expect any, and HTTP/1.0 has none. */
bool receipt_trails(const struct exchange *exchange)
{
    return exchange->answer_framing == HTTP1_CHUNKED && exchange->request->te_trailers &&
           metering_streams(exchange);
}

enum status receipt_announce(struct buffer *out)
{
    return buffer_append(out, SLICE("Trailer: X-Sallyport-Cost-USD, X-Sallyport-Usage\r\n"));
}

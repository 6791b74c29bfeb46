/* refuse: an answer of our own: an error in the shape that the provider's SDK understands. */
#include "gateway/client/connection.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/quota_counts.h"
#include "gateway/exchange/quota_fields.h"
#include "gateway/exchange/receipt.h"
#include "gateway/exchange/steps.h"
#include "routes/profile.h"

enum { PROBLEM_MAX_BYTES = 16 * 1024 };

enum step_result exchange_fail_quota(struct exchange *exchange, const struct demand *demand)
{
    char text[QUOTA_TEXT_MAX];
    if (demand == NULL) {
        return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_STORE_UNAVAILABLE,
                             "the store of the quotas does not answer, and a quota of this request "
                             "is set to refuse then");
    }
    exchange->refused_by = demand;
    quota_note_refusal(exchange, demand);
    quota_refusal_text(demand, text);
    return exchange_fail(exchange, ENDED_BY_QUOTA, quota_problem(demand->limit), "%s", text);
}

static bool must_close(const struct exchange *exchange)
{
    return exchange->refusal.close || !exchange->request->keep_alive ||
           connection_must_close(exchange->connection);
}

static unsigned refusal_status(const struct exchange *exchange)
{
    return exchange->refusal.status != 0 ? exchange->refusal.status
                                         : problem_status(exchange->refusal.code);
}

static enum status put_field(struct slice name, struct slice value, struct buffer *out)
{
    TRY(buffer_append(out, name));
    TRY(buffer_append(out, value));
    return buffer_append(out, SLICE("\r\n"));
}

static enum status write_head(const struct exchange *exchange, struct slice content_type,
                              size_t body_len, struct buffer *out)
{
    unsigned status = refusal_status(exchange);
    struct slice id = slice_make(exchange->id, EXCHANGE_ID_LEN);
    TRY(buffer_append(out, SLICE("HTTP/1.1 ")));
    TRY(buffer_append_number(out, status));
    TRY(buffer_append(out, SLICE(" ")));
    TRY(buffer_append(out, slice_from(problem_status_text(status))));
    TRY(put_field(SLICE("\r\nContent-Type: "), content_type, out));
    TRY(buffer_append(out, SLICE("Content-Length: ")));
    TRY(buffer_append_number(out, body_len));
    TRY(put_field(SLICE("\r\nCache-Control: no-store\r\nX-Sallyport-Error: "),
                  slice_from(problem_code_text(exchange->refusal.code)), out));
    TRY(put_field(SLICE("X-Sallyport-Request-Id: "), id, out));
    TRY(put_field(SLICE("X-Request-Id: "), id, out));
    if (status == 401) { /* RFC 9110, section 15.5.2: it must name a scheme */
        TRY(buffer_append(out, SLICE("WWW-Authenticate: Bearer realm=\"sallyport\"\r\n")));
    }
    if (status == 405) {
        TRY(buffer_append(out, SLICE("Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n")));
    }
    TRY(quota_fields_write(exchange, out));
    if (exchange->refused_by != NULL) {
        TRY(quota_fields_write_retry(exchange->refused_by, out));
    }
    if (status == 503) {
        usec_t after = exchange->way.refused ? exchange->way.circuit_for : 0;
        TRY(buffer_append(out, SLICE("Retry-After: ")));
        TRY(buffer_append_number(out, (uint64_t)(after > SEC ? (after + SEC - 1) / SEC : 1)));
        TRY(buffer_append(out, SLICE("\r\n")));
    }
    if (exchange->way.spent) {
        TRY(buffer_append(out, SLICE("x-should-retry: false\r\n")));
    }
    TRY(way_write_route(exchange, out));
    if (exchange->facts.attempts > 0) {
        TRY(buffer_print(out, "X-Sallyport-Attempts: %u\r\n", exchange->facts.attempts));
        TRY(receipt_write(exchange, out));
    }
    if (must_close(exchange)) {
        TRY(buffer_append(out, SLICE("Connection: close\r\n")));
    } else if (exchange->request->minor == 0) {
        TRY(buffer_append(out, SLICE("Connection: keep-alive\r\n")));
    }
    return buffer_append(out, SLICE("\r\n"));
}

/* Mostly these suffice, so that nothing is printed or moved twice. */
enum { USUAL_HEAD_BYTES = 1024, USUAL_BODY_BYTES = 1024 };

static enum status write_answer(const struct exchange *exchange, struct buffer *head,
                                struct buffer *body)
{
    TRY(buffer_reserve(head, USUAL_HEAD_BYTES));
    TRY(buffer_reserve(body, USUAL_BODY_BYTES));
    const struct route *asked = exchange->way.asked;
    const struct profile *profile = asked == NULL ? NULL : asked->profile;
    struct slice content_type = {0};
    TRY(problem_render(profile, exchange->refusal.code, exchange->refusal.why.message, exchange->id,
                       body, &content_type));
    return write_head(exchange, content_type, buffer_len(body), head);
}

enum step_result refuse_begin(struct exchange *exchange)
{
    struct buffer head CLEANUP(buffer_fini);
    struct buffer body CLEANUP(buffer_fini);
    buffer_init(&head, PROBLEM_MAX_BYTES);
    buffer_init(&body, PROBLEM_MAX_BYTES);

    fallback_carry(exchange);
    if (exchange->metering != NULL) {
        metering_close(exchange); /* nothing is tried any more */
    }
    if (write_answer(exchange, &head, &body) != STATUS_OK) {
        return exchange_go(exchange, EXCHANGE_SETTLE); /* cannot be said: cut */
    }
    connection_write(exchange->connection, buffer_bytes(&head));
    if (exchange->request->method != HTTP1_HEAD) {
        connection_write(exchange->connection, buffer_bytes(&body));
        exchange->facts.response_bytes = buffer_len(&body);
    }
    exchange->facts.status = refusal_status(exchange);
    exchange->facts.first_byte_out = clock_now();
    settle_before_end(exchange);
    connection_flush(exchange->connection);
    exchange->ending = must_close(exchange) ? ENDING_CLOSE : ENDING_KEEP;
    return exchange_go(exchange, EXCHANGE_SETTLE);
}

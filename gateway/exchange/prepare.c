/* prepare: the upstream request's head: target, headers, credential, framing. */
#include "base/memory.h"
#include "base/secret.h"
#include "gateway/exchange/call_body.h"
#include "gateway/exchange/decoding.h"
#include "gateway/exchange/idempotency_use.h"
#include "gateway/exchange/inject.h"
#include "gateway/exchange/sign.h"
#include "gateway/exchange/steps.h"
#include "gateway/exchange/trace.h"
#include "routes/profile.h"

/* RFC 9110, section 8.6: methods that usually have a body say so when it is empty. */
static bool says_empty(enum http1_method method)
{
    return method == HTTP1_POST || method == HTTP1_PUT || method == HTTP1_PATCH;
}

static enum status write_length(uint64_t len, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("Content-Length: ")));
    TRY(buffer_append_number(out, len));
    return buffer_append(out, SLICE("\r\n"));
}

/* A body that is held has a length, however it came. */
static enum status write_framing(const struct exchange *exchange, struct buffer *out)
{
    const struct http1_request *request = exchange->request;
    if (exchange->body_mode == BODY_WHOLE) {
        return write_length(exchange->outgoing.len, out);
    }
    switch (request->framing) {
    case HTTP1_NO_BODY:
    case HTTP1_UNTIL_CLOSE:
        return says_empty(request->method) ? buffer_append(out, SLICE("Content-Length: 0\r\n"))
                                           : STATUS_OK;
    case HTTP1_LENGTH:
        return write_length(request->content_length, out);
    case HTTP1_CHUNKED:
        return buffer_append(out, SLICE("Transfer-Encoding: chunked\r\n"));
    }
    return STATUS_INVALID;
}

/* The caller's idempotency key is replaced by the one that goes upstream. */
static enum status write_fields(const struct exchange *exchange, struct buffer *out)
{
    const struct http1_request *request = exchange->request;
    const struct header_rules *rules = &exchange->route->headers;
    const struct idempotency_facts *facts = &exchange->route->profile->idempotency;
    if (exchange->key == NULL || facts->header.len == 0) {
        return header_rules_write(rules, request->fields, request->field_count, out);
    }
    struct http1_field *fields CLEANUP(memory_free_at) =
        memory_alloc(request->field_count * sizeof(*fields) + 1);
    unsigned count = 0;
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct http1_field *field = &request->fields[i];
        if (!http1_field_is(field, facts->header, facts->header_hash)) {
            fields[count++] = *field;
        }
    }
    TRY(header_rules_write(rules, fields, count, out));
    TRY(buffer_append(out, facts->header));
    TRY(buffer_append(out, SLICE(": ")));
    TRY(buffer_append(out, exchange->key->sent));
    return buffer_append(out, SLICE("\r\n"));
}

static enum status write_head(const struct exchange *exchange, struct buffer *out)
{
    const struct http1_request *request = exchange->request;
    TRY(buffer_append(out, request->method_text));
    TRY(buffer_append(out, SLICE(" ")));
    TRY(inject_write_target(exchange, out));
    TRY(buffer_append(out, SLICE(" HTTP/1.1\r\n")));
    TRY(write_fields(exchange, out));
    TRY(codings_write_accept(request->fields, request->field_count, decoding_choice(exchange),
                             out));
    TRY(trace_write(exchange, out));
    TRY(inject_write_headers(exchange, out));
    TRY(write_framing(exchange, out));
    TRY(sign_head(exchange, out));
    return buffer_append(out, SLICE("\r\n"));
}

enum status prepare_head(const struct exchange *exchange)
{
    struct buffer *head = &exchange->side->head;
    buffer_consume(head, buffer_len(head));
    enum status status = write_head(exchange, head);
    if (status != STATUS_OK) { /* what there is of it has the credential in it */
        secret_wipe(head->ptr, head->end);
        buffer_consume(head, buffer_len(head));
    }
    return status;
}

static const char no_room[] = "gateway.limits.buffered_bytes is used up: try again later";

enum step_result prepare_begin(struct exchange *exchange)
{
    enum step_result result;
    struct error err;
    if (!call_body_finish(exchange)) {
        return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_OVERLOADED, "%s", no_room);
    }
    if (inject_check(exchange, &err) != STATUS_OK) {
        return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_CREDENTIAL_UNAVAILABLE, "%s",
                             err.message);
    }
    enum status injected = call_body_inject(exchange, &err);
    if (injected == STATUS_INVALID) {
        return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_BAD_REQUEST, "%s", err.message);
    }
    if (injected != STATUS_OK) {
        return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_OVERLOADED, "%s", no_room);
    }
    if (!sign_check(exchange, &result)) {
        return result;
    }
    if (prepare_head(exchange) != STATUS_OK) {
        return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_HEADERS_TOO_LARGE,
                             "the head is too large to be sent on");
    }
    if (!sign_body(exchange, &result)) {
        return result;
    }
    return exchange_go(exchange, EXCHANGE_SEND);
}

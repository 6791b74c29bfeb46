/* prepare: the upstream request's head: target, headers, credential, framing. */
#include "auth/secrets/secret_store.h"
#include "base/encode.h"
#include "base/memory.h"
#include "base/secret.h"
#include "gateway/exchange/call_body.h"
#include "gateway/exchange/decoding.h"
#include "gateway/exchange/idempotency_use.h"
#include "gateway/exchange/steps.h"
#include "gateway/exchange/trace.h"
#include "routes/profile.h"
#include "routes/target.h"

#include <assert.h>

enum { DROPPED_QUERY_MAX = 16 };

/* A route that injects has a credential, and `choose` has taken one (config/link sees to it). */
static struct slice revealed(const struct exchange *exchange)
{
    assert(exchange->credential != NULL);
    return secret_reveal(exchange->credential->secret);
}

/* The template's "{secret}" replaced. */
static enum status write_credential(const struct exchange *exchange, struct buffer *out)
{
    const struct injection *injection = &exchange->route->injection;
    TRY(buffer_append(out, injection->before));
    TRY(buffer_append(out, revealed(exchange)));
    return buffer_append(out, injection->after);
}

static enum status write_credential_encoded(const struct exchange *exchange, struct buffer *out)
{
    const struct injection *injection = &exchange->route->injection;
    TRY(buffer_append(out, injection->before));
    TRY(encode_percent(revealed(exchange), out));
    return buffer_append(out, injection->after);
}

/* Query parameters that can carry a caller's key, and the one that is injected. */
static unsigned dropped_parameters(const struct route *route, struct slice *names)
{
    unsigned count = 0;
    for (unsigned i = 0; i < route->profile->slot_count && count < DROPPED_QUERY_MAX - 1; i++) {
        if (route->profile->slots[i].kind == SLOT_QUERY) {
            names[count++] = route->profile->slots[i].name;
        }
    }
    if (route->injection.place == INJECT_QUERY) {
        names[count++] = route->injection.name;
    }
    return count;
}

static enum status write_target(const struct exchange *exchange, struct buffer *out)
{
    struct slice dropped[DROPPED_QUERY_MAX];
    const struct route *route = exchange->route;
    unsigned count = dropped_parameters(route, dropped);

    if (route->injection.place == INJECT_PATH) {
        struct route behind = *route; /* what comes before the rest is written here */
        behind.base_path = slice_make("", 0);
        TRY(buffer_append(out, route->base_path));
        TRY(buffer_append(out, SLICE("/")));
        TRY(write_credential_encoded(exchange, out));
        return target_write(&behind, exchange->path, exchange->query, dropped, count, out);
    }
    size_t start = buffer_len(out);
    TRY(target_write(route, exchange->path, exchange->query, dropped, count, out));
    if (route->injection.place == INJECT_QUERY) {
        struct slice written = slice_skip(buffer_bytes(out), start);
        bool has_query = slice_find(written, '?') < written.len;
        TRY(buffer_append(out, has_query ? SLICE("&") : SLICE("?")));
        TRY(encode_percent(route->injection.name, out));
        TRY(buffer_append(out, SLICE("=")));
        TRY(write_credential_encoded(exchange, out));
    }
    return STATUS_OK;
}

static enum status write_basic(const struct exchange *exchange, struct buffer *out)
{
    const struct injection *injection = &exchange->route->injection;
    struct buffer plain CLEANUP(buffer_wipe);
    buffer_init(&plain, 64 * 1024);
    TRY(buffer_reserve(&plain,
                       injection->before.len + injection->after.len + revealed(exchange).len));
    TRY(write_credential(exchange, &plain));
    struct slice bytes = buffer_bytes(&plain);
    TRY(buffer_reserve(out, (bytes.len + 2) / 3 * 4));
    buffer_commit(out, encode_base64(bytes, buffer_tail(out)));
    return STATUS_OK;
}

static enum status write_injected_header(const struct exchange *exchange, struct buffer *out)
{
    const struct injection *injection = &exchange->route->injection;
    switch (injection->place) {
    case INJECT_NONE:
    case INJECT_QUERY:
    case INJECT_PATH:
        return STATUS_OK;
    case INJECT_HEADER:
        TRY(buffer_append(out, injection->name));
        TRY(buffer_append(out, SLICE(": ")));
        TRY(write_credential(exchange, out));
        break;
    case INJECT_BASIC:
        TRY(buffer_append(out, SLICE("Authorization: Basic ")));
        TRY(write_basic(exchange, out));
        break;
    }
    return buffer_append(out, SLICE("\r\n"));
}

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
    TRY(write_target(exchange, out));
    TRY(buffer_append(out, SLICE(" HTTP/1.1\r\n")));
    TRY(write_fields(exchange, out));
    TRY(codings_write_accept(request->fields, request->field_count, decoding_choice(exchange),
                             out));
    TRY(trace_write(exchange, out));
    TRY(write_injected_header(exchange, out));
    TRY(write_framing(exchange, out));
    return buffer_append(out, SLICE("\r\n"));
}

/* A secret with a line break in it would end the header: it cannot be a header's value. */
static bool credential_fits(const struct exchange *exchange)
{
    enum injection_place place = exchange->route->injection.place;
    return place != INJECT_HEADER || http1_valid_field_value(revealed(exchange));
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

enum step_result prepare_begin(struct exchange *exchange)
{
    if (!call_body_finish(exchange)) {
        return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_OVERLOADED,
                             "gateway.limits.buffered_bytes is used up: try again later");
    }
    if (exchange->credential != NULL && !credential_fits(exchange)) {
        return exchange_fail(exchange, ENDED_BY_GATEWAY, PROBLEM_CREDENTIAL_UNAVAILABLE,
                             "the secret \"%s\" of route \"%s\" has bytes that a header cannot "
                             "carry",
                             exchange->credential->name, exchange->route->name);
    }
    if (prepare_head(exchange) != STATUS_OK) {
        return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_HEADERS_TOO_LARGE,
                             "the head is too large to be sent on");
    }
    return exchange_go(exchange, EXCHANGE_SEND);
}

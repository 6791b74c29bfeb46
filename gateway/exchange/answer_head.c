/*
 * answer_head: the answer's head as the client sees it: the provider's fields without hop-by-hop
 * ones and without the credential, links turned to the gateway, our own fields, our framing.
 */
#include "auth/secrets/secret_store.h"
#include "gateway/client/connection.h"
#include "gateway/exchange/idempotency_use.h"
#include "gateway/exchange/metering.h"
#include "gateway/exchange/quota_fields.h"
#include "gateway/exchange/receipt.h"
#include "gateway/exchange/steps.h"
#include "gateway/observe/metrics.h"
#include "routes/links.h"
#include "routes/profile.h"
#include "routes/route.h"

/* What only the gateway says, and what leads past it. */
static bool is_reserved(struct slice name)
{
    return slice_starts_with_nocase(name, SLICE("x-sallyport-")) ||
           slice_equal_nocase(name, SLICE("alt-svc"));
}

static bool is_dropped(const struct exchange *exchange, const struct http1_field *field)
{
    switch (field->id) {
    case HTTP1_CONNECTION:
    case HTTP1_CONTENT_LENGTH:
    case HTTP1_TRANSFER_ENCODING:
    case HTTP1_TE:
    case HTTP1_TRAILER:
    case HTTP1_UPGRADE:
    case HTTP1_KEEP_ALIVE:
    case HTTP1_PROXY_CONNECTION:
    case HTTP1_PROXY_AUTHENTICATE:
    case HTTP1_PROXY_AUTHORIZATION:
        return true;
    case HTTP1_OTHER:
        return field->connection_option || is_reserved(field->name) ||
               (exchange->way.spent && slice_equal_nocase(field->name, SLICE("x-should-retry")));
    case HTTP1_HOST:
    case HTTP1_EXPECT:
    case HTTP1_ACCEPT_ENCODING:
    case HTTP1_CONTENT_ENCODING:
    case HTTP1_CONTENT_TYPE:
    case HTTP1_AUTHORIZATION:
    case HTTP1_COOKIE:
    case HTTP1_LOCATION:
    case HTTP1_LINK:
    case HTTP1_DATE:
    case HTTP1_NAMES:
        break;
    }
    return field->connection_option;
}

/* Where the client sees this route: the config's public URL, else what the client itself used. */
static enum status public_base(const struct exchange *exchange, struct buffer *out)
{
    const struct route *route = exchange->route;
    if (route->public_base.len > 0) {
        return buffer_append(out, route->public_base);
    }
    if (exchange->request->host.len == 0) { /* HTTP/1.0: all that is known is the path */
        return buffer_append(out, route->path);
    }
    return buffer_print(out, "%s://%.*s%.*s",
                        connection_is_tls(exchange->connection) ? "https" : "http",
                        SLICE_ARG(exchange->request->host), SLICE_ARG(route->path));
}

static enum status write_link(const struct exchange *exchange, const struct http1_field *field,
                              struct buffer *out)
{
    struct buffer base CLEANUP(buffer_fini);
    buffer_init(&base, 4096);
    if (public_base(exchange, &base) != STATUS_OK) {
        return buffer_append(out, field->value);
    }
    return field->id == HTTP1_LOCATION
               ? links_rewrite_location(exchange->route, buffer_bytes(&base), field->value, out)
               : links_rewrite_link(exchange->route, buffer_bytes(&base), field->value, out);
}

/* The provider's own limits are of its credential, which all tenants share: ours have these names.
 */
static bool tells_rate_limits(struct slice name)
{
    if (name.len < SLICE("ratelimit").len) {
        return false;
    }
    switch (ascii_lower(name.ptr[0])) {
    case 'r':
        return slice_starts_with_nocase(name, SLICE("ratelimit"));
    case 'x':
        return slice_starts_with_nocase(name, SLICE("x-ratelimit-")) ||
               slice_starts_with_nocase(name, SLICE("x-rate-limit-"));
    case 'a':
        return slice_starts_with_nocase(name, SLICE("anthropic-ratelimit-"));
    default:
        return false;
    }
}

/* The provider says the key that it was sent: the caller knows its own. */
static bool is_callers_key(const struct exchange *exchange, const struct http1_field *field)
{
    const struct idempotency_use *key = exchange->key;
    return key != NULL && key->given.len > 0 &&
           slice_equal_nocase(field->name, exchange->route->profile->idempotency.header) &&
           slice_equal(field->value, key->sent);
}

static enum status write_field(const struct exchange *exchange, const struct http1_field *field,
                               struct buffer *out)
{
    if (field->id == HTTP1_OTHER && tells_rate_limits(field->name)) {
        TRY(buffer_append(out, SLICE("X-Upstream-")));
    }
    TRY(buffer_reserve(out, field->name.len + field->value.len + 4));
    char *ptr = buffer_tail(out);
    memcpy(ptr, field->name.ptr, field->name.len);
    memcpy(ptr + field->name.len, ": ", 2);
    buffer_commit(out, field->name.len + 2);
    if (field->id == HTTP1_LOCATION || field->id == HTTP1_LINK) {
        TRY(write_link(exchange, field, out));
    } else if (is_callers_key(exchange, field)) {
        TRY(buffer_append(out, exchange->key->given));
    } else {
        TRY(buffer_append(out, field->value));
    }
    return buffer_append(out, SLICE("\r\n"));
}

/* Takes the credential out of lines of a head or of trailers. */
static void scrub_lines(const struct exchange *exchange, char *ptr, size_t len)
{
    const struct credential *credential = exchange->credential;
    if (credential == NULL || credential->scrubber == NULL) {
        return;
    }
    unsigned hits = scrub_in_place(credential->scrubber, ptr, len);
    if (hits > 0) {
        metrics_add(exchange->side->metrics, METRIC_scrubbed_total, hits);
    }
}

/* Status line and the provider's own fields, scrubbed. */
static enum status write_provider_part(struct exchange *exchange,
                                       const struct http1_response *response, struct buffer *out,
                                       bool *ret_has_request_id)
{
    *ret_has_request_id = false;
    TRY(buffer_append(out, SLICE("HTTP/1.1 ")));
    TRY(buffer_append_number(out, response->status));
    TRY(buffer_append(out, SLICE(" ")));
    TRY(buffer_append(out, response->reason));
    TRY(buffer_append(out, SLICE("\r\n")));
    for (unsigned i = 0; i < response->field_count; i++) {
        const struct http1_field *field = &response->fields[i];
        if (is_dropped(exchange, field)) {
            continue;
        }
        if (field->id == HTTP1_OTHER && slice_equal_nocase(field->name, SLICE("x-request-id"))) {
            *ret_has_request_id = true;
        }
        TRY(write_field(exchange, field, out));
    }
    scrub_lines(exchange, out->ptr + out->start, buffer_len(out));
    return STATUS_OK;
}

/* HTTP/1.0 knows no chunks: there the end of the connection ends the body. */
static void decide_framing(struct exchange *exchange)
{
    const struct http1_response *response = exchange->response;
    const struct http1_request *request = exchange->request;
    bool old = request->minor == 0;

    exchange->answer_framing = response->framing;
    bool gets_shorter = response->framing == HTTP1_LENGTH && metering_drop(exchange) != NULL;
    if (gets_shorter || response->framing == HTTP1_CHUNKED ||
        response->framing == HTTP1_UNTIL_CLOSE) {
        exchange->answer_framing = old ? HTTP1_UNTIL_CLOSE : HTTP1_CHUNKED;
    }
    exchange->answer_keep_alive = request->keep_alive &&
                                  exchange->answer_framing != HTTP1_UNTIL_CLOSE &&
                                  !connection_draining(exchange->connection) &&
                                  (exchange->body_ended || exchange->body_mode != BODY_STREAMED);
}

static enum status write_length(const struct http1_response *response, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("Content-Length: ")));
    TRY(buffer_append_number(out, response->content_length));
    return buffer_append(out, SLICE("\r\n"));
}

static enum status write_framing(struct exchange *exchange, struct buffer *out)
{
    const struct http1_response *response = exchange->response;
    switch (exchange->answer_framing) {
    case HTTP1_LENGTH:
        TRY(write_length(response, out));
        break;
    case HTTP1_CHUNKED:
        TRY(buffer_append(out, SLICE("Transfer-Encoding: chunked\r\n")));
        break;
    case HTTP1_NO_BODY:
        if (response->has_content_length && response->status != 204) {
            TRY(write_length(response, out));
        }
        break;
    case HTTP1_UNTIL_CLOSE:
        break;
    }
    if (!exchange->answer_keep_alive) {
        TRY(buffer_append(out, SLICE("Connection: close\r\n")));
    } else if (exchange->request->minor == 0) {
        TRY(buffer_append(out, SLICE("Connection: keep-alive\r\n")));
    }
    return STATUS_OK;
}

static enum status write_own_part(struct exchange *exchange, bool has_request_id,
                                  struct buffer *out)
{
    struct slice id = slice_make(exchange->id, EXCHANGE_ID_LEN);
    TRY(buffer_append(out, SLICE("X-Sallyport-Request-Id: ")));
    TRY(buffer_append(out, id));
    if (!has_request_id) {
        TRY(buffer_append(out, SLICE("\r\nX-Request-Id: ")));
        TRY(buffer_append(out, id));
    }
    TRY(buffer_append(out, SLICE("\r\nX-Sallyport-Attempts: ")));
    TRY(buffer_append_number(out, exchange->facts.attempts));
    TRY(buffer_append(out, SLICE("\r\n")));
    if (exchange->way.spent) {
        TRY(buffer_append(out, SLICE("x-should-retry: false\r\n")));
    }
    TRY(way_write_route(exchange, out));
    TRY(quota_fields_write(exchange, out));
    TRY(receipt_write(exchange, out));
    if (receipt_trails(exchange)) {
        TRY(receipt_announce(out));
    }
    return write_framing(exchange, out);
}

static enum status build(struct exchange *exchange, struct buffer *out)
{
    bool has_request_id = false;
    TRY(write_provider_part(exchange, exchange->response, out, &has_request_id));
    TRY(write_own_part(exchange, has_request_id, out));
    return buffer_append(out, SLICE("\r\n"));
}

enum status answer_head_write(struct exchange *exchange)
{
    struct buffer *out = &exchange->side->head;
    buffer_consume(out, buffer_len(out));
    decide_framing(exchange);
    enum status status = build(exchange, out);
    if (status == STATUS_OK) {
        connection_write(exchange->connection, buffer_bytes(out));
        exchange->facts.status = exchange->response->status;
        exchange->facts.first_byte_out = clock_now();
    }
    buffer_consume(out, buffer_len(out));
    return status;
}

void answer_trailers_write(struct exchange *exchange, struct slice trailers)
{
    char *out = connection_reserve(exchange->connection, trailers.len);
    size_t len = 0;
    while (trailers.len > 0) {
        struct slice line = slice_make(trailers.ptr, slice_find(trailers, '\n') + 1);
        trailers = slice_skip(trailers, line.len);
        if (!is_reserved(slice_make(line.ptr, slice_find(line, ':')))) {
            memcpy(out + len, line.ptr, line.len);
            len += line.len;
        }
    }
    scrub_lines(exchange, out, len);
    connection_wrote(exchange->connection, len);
}

void answer_head_write_interim(struct exchange *exchange, const struct http1_response *interim)
{
    struct buffer *out = &exchange->side->head;
    bool has_request_id = false;
    if (exchange->request->minor == 0) {
        return; /* RFC 9110, section 15.2: not to an HTTP/1.0 client */
    }
    buffer_consume(out, buffer_len(out));
    if (write_provider_part(exchange, interim, out, &has_request_id) == STATUS_OK &&
        buffer_append(out, SLICE("\r\n")) == STATUS_OK) {
        connection_write(exchange->connection, buffer_bytes(out));
        connection_flush(exchange->connection);
    }
    buffer_consume(out, buffer_len(out));
}

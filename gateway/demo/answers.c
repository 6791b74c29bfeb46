#include "gateway/demo/answers.h"

#include "base/digest.h"
#include "base/encode.h"
#include "gateway/demo/query.h"

#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>

enum { RANDOM_DIGITS = 24, CREDENTIAL_MAX = 4096 };

static const char *const credential_headers[] = {
    "authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key",
    "apikey",        "x-sallyport-key",     "cookie",
};

const char *answers_id(const char *prefix, char out[DEMO_ID_BYTES])
{
    uint64_t random[3];
    size_t len = (size_t)snprintf(out, DEMO_ID_BYTES - RANDOM_DIGITS, "%s", prefix);
    random_bytes(random, sizeof(random));
    for (size_t i = 0; i < 3; i++) {
        encode_base62(random[i], out + len + i * 8, 8);
    }
    out[len + RANDOM_DIGITS] = '\0';
    return out;
}

void answers_text(struct evbuffer *out, struct slice text)
{
    struct buffer escaped;
    buffer_init(&escaped, text.len * 6 + 2);
    if (encode_json_string(text, &escaped) == STATUS_OK) {
        (void)evbuffer_add(out, escaped.ptr, buffer_len(&escaped));
    }
    buffer_fini(&escaped);
}

static bool is_stripes(const struct call *call)
{
    static const char *const paths[] = {"/v1/payment_intents", "/v1/customers", "/v1/charges",
                                        "/v1/refunds",         "/v1/balance",   "/v1/invoices"};
    if (call_header(call, "stripe-version").len > 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (slice_starts_with(call->path, slice_from(paths[i]))) {
            return true;
        }
    }
    return false;
}

void answers_json(struct call *call, unsigned status, struct evbuffer *body)
{
    char id[DEMO_ID_BYTES];
    if (is_stripes(call)) {
        call_add_header(call, "Request-Id", answers_id("req_", id));
        call_add_header(call, "Stripe-Version", "2025-03-31.basil");
    } else {
        call_add_header(call, "X-Request-Id", answers_id("req_", id));
        call_add_header(call, "OpenAI-Version", "2020-10-01");
    }
    call_answer(call, status, "application/json", body);
}

static void add_member(struct evbuffer *out, const char *name, const char *value, bool nullable)
{
    if (value == NULL && !nullable) {
        return;
    }
    (void)evbuffer_add_printf(out, ",\"%s\":", name);
    if (value == NULL) {
        (void)evbuffer_add(out, "null", 4);
    } else {
        answers_text(out, slice_from(value));
    }
}

void answers_refuse(struct call *call, const struct refusal *refusal)
{
    struct evbuffer *body = evbuffer_new();
    bool nullable = !is_stripes(call);
    (void)evbuffer_add_printf(body, "{\"error\":{\"message\":");
    answers_text(body, slice_from(refusal->message));
    add_member(body, "type", refusal->type, nullable);
    add_member(body, "param", refusal->param, nullable);
    add_member(body, "code", refusal->code, nullable);
    (void)evbuffer_add(body, "}}\n", 3);
    answers_json(call, refusal->status, body);
    evbuffer_free(body);
}

/* RFC 7617: user and password in base64; the key is the user (Stripe) or the password. */
static size_t basic_credential(struct slice encoded, char *out, size_t size)
{
    unsigned char decoded[CREDENTIAL_MAX];
    size_t len = 0;
    if (encoded.len > sizeof(decoded) || decode_base64(encoded, decoded, &len) != STATUS_OK) {
        return 0;
    }
    struct slice pair = slice_make((const char *)decoded, len);
    size_t colon = slice_find(pair, ':');
    struct slice user = slice_make(pair.ptr, colon);
    struct slice password = slice_skip(pair, colon + 1);
    struct slice key = password.len > 0 ? password : user;
    size_t taken = key.len < size ? key.len : size - 1;
    memcpy(out, key.ptr, taken);
    return taken;
}

size_t answers_credential(const struct call *call, char *out, size_t size)
{
    static const char *const plain[] = {"x-api-key", "api-key"};
    struct slice value = call_header(call, "authorization");
    size_t len = 0;
    out[0] = '\0';
    if (slice_starts_with_nocase(value, SLICE("Basic "))) {
        len = basic_credential(slice_trim(slice_skip(value, 6)), out, size);
        out[len] = '\0';
        return len;
    }
    if (slice_starts_with_nocase(value, SLICE("Bearer "))) {
        value = slice_trim(slice_skip(value, 7));
    }
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]) && value.len == 0; i++) {
        value = call_header(call, plain[i]);
    }
    if (value.len == 0) {
        return query_decode(query_find(call->query, "api_key"), out, size);
    }
    len = value.len < size ? value.len : size - 1;
    memcpy(out, value.ptr, len);
    out[len] = '\0';
    return len;
}

static void refuse_key(struct call *call, struct slice given)
{
    char message[200];
    const char *tail = given.len > 8 ? given.ptr + given.len - 4 : "";
    if (given.len == 0) {
        (void)snprintf(message, sizeof(message),
                       "You didn't provide an API key. Send it as Authorization: Bearer YOUR_KEY.");
    } else if (is_stripes(call)) {
        (void)snprintf(message, sizeof(message), "Invalid API Key provided: ****%s", tail);
    } else {
        (void)snprintf(message, sizeof(message), "Incorrect API key provided: ****%s.", tail);
    }
    answers_refuse(call, &(struct refusal){
                             .status = 401,
                             .type = "invalid_request_error",
                             .code = given.len == 0 || is_stripes(call) ? NULL : "invalid_api_key",
                             .message = message});
}

bool answers_check_key(struct call *call)
{
    const struct service *service = call->service;
    char given[CREDENTIAL_MAX];
    size_t len = answers_credential(call, given, sizeof(given));
    if (slice_equal(slice_make(given, len), slice_from(service->key))) {
        return true;
    }
    refuse_key(call, slice_make(given, len));
    return false;
}

bool answers_is_credential(struct slice header_name)
{
    for (size_t i = 0; i < sizeof(credential_headers) / sizeof(credential_headers[0]); i++) {
        if (slice_equal_nocase(header_name, slice_from(credential_headers[i]))) {
            return true;
        }
    }
    return false;
}

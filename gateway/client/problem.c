#include "gateway/client/problem.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "routes/profile.h"

#include <assert.h>
#include <stdbool.h>

enum { MESSAGE_MAX_BYTES = 2048 };

struct row {
    const char *text;
    unsigned status;
    const char *title; /* stands before a detail; NULL: details are about internals, for the log */
    const char *sentence; /* without a detail: what is wrong, and what to do */
};

/* clang-format off */
static const struct row rows[PROBLEM_CODES] = {
    [PROBLEM_BAD_REQUEST] = {"bad_request", 400, "Malformed request",
        "The request is malformed. Correct it before it is sent again."},
    [PROBLEM_TENANT_KEY_MISSING] = {"tenant_key_missing", 401, "No tenant key",
        "The request carries no tenant key. Put it where the provider's key would be, or into "
        "X-Sallyport-Key."},
    [PROBLEM_TENANT_UNKNOWN] = {"tenant_unknown", 401, "Unknown tenant key",
        "The tenant key is not known here. Use a key whose hash is among a tenant's keys in the "
        "gateway's config."},
    [PROBLEM_ROUTE_NOT_ALLOWED] = {"route_not_allowed", 403, "Not allowed",
        "The tenant may not make this call. A rule under its 'allow' must name the route, the "
        "method and the path."},
    [PROBLEM_NO_SUCH_ROUTE] = {"no_such_route", 404, "No such route",
        "No route of the gateway covers this host and path. Begin the path with a route's path, "
        "such as /openai."},
    [PROBLEM_METHOD_NOT_ALLOWED] = {"method_not_allowed", 405, "Method not allowed",
        "The method is not allowed. Use one that the Allow header names."},
    [PROBLEM_IDEMPOTENCY_CONFLICT] = {"idempotency_conflict", 409, "Idempotency key in use",
        "Another request runs under the same idempotency key. Use a new key for a new request."},
    [PROBLEM_CLIENT_TIMEOUT] = {"client_timeout", 408, "Request too slow",
        "The request did not come in time. Send it again without a pause."},
    [PROBLEM_BODY_TOO_LARGE] = {"body_too_large", 413, "Body too large",
        "The request's body is too large. Send a smaller one."},
    [PROBLEM_URI_TOO_LONG] = {"uri_too_long", 414, "URI too long",
        "The request's URI is too long. Send a shorter one."},
    [PROBLEM_EXPECTATION_FAILED] = {"expectation_failed", 417, "Unknown expectation",
        "The expectation cannot be met. Only 100-continue can be expected."},
    [PROBLEM_HEADERS_TOO_LARGE] = {"headers_too_large", 431, "Head too large",
        "The request's head is too large. Send fewer or shorter header fields."},
    [PROBLEM_NOT_IMPLEMENTED] = {"not_implemented", 501, "Not supported",
        "The gateway does not offer this. Use plain HTTP/1.1 requests."},
    [PROBLEM_HTTP_VERSION] = {"not_implemented", 505, "Unknown HTTP version",
        "The gateway does not speak this HTTP version. Use HTTP/1.1."},
    [PROBLEM_QUOTA_EXCEEDED] = {"quota_exceeded", 429, "Quota exceeded",
        "A rate of the tenant is used up. Send the request again after the time that Retry-After names."},
    [PROBLEM_BUDGET_EXCEEDED] = {"budget_exceeded", 429, "Budget exceeded",
        "A budget of the tenant is used up. Ask who runs the gateway for more, or wait for the next "
        "window."},
    [PROBLEM_CONCURRENCY_EXCEEDED] = {"concurrency_exceeded", 429, "Too many requests at once",
        "The tenant has too many requests under way. Wait for one of them to end."},
    [PROBLEM_UPSTREAM_UNREACHABLE] = {"upstream_unreachable", 502, NULL,
        "The provider could not be reached, or it broke the connection off. The gateway's access "
        "log has the reason under this request id."},
    [PROBLEM_UPSTREAM_INVALID_RESPONSE] = {"upstream_invalid_response", 502, NULL,
        "The provider's answer cannot be used. The gateway's access log has the reason under this "
        "request id."},
    [PROBLEM_CREDENTIAL_UNAVAILABLE] = {"credential_unavailable", 502, NULL,
        "The gateway has no credential for this route at the moment. Its operator finds the "
        "missing secret's name under /readyz."},
    [PROBLEM_TOKEN_UNAVAILABLE] = {"credential_unavailable", 502, "No token for this route",
        "The gateway has no token for this route at the moment. Send the request again later."},
    [PROBLEM_EGRESS_REFUSED] = {"egress_refused", 502, NULL,
        "The gateway may not connect to this provider's address. Its operator can allow the "
        "network under 'egress' in the config."},
    [PROBLEM_CIRCUIT_OPEN] = {"circuit_open", 503, "Provider is failing",
        "The provider has failed too often of late, so it is not asked. Send the request again after the "
        "time that Retry-After names."},
    [PROBLEM_OVERLOADED] = {"overloaded", 503, "Overloaded",
        "The gateway has too much in hand. Send the request again later."},
    [PROBLEM_STORE_UNAVAILABLE] = {"store_unavailable", 503, "Quotas cannot be checked",
        "The store of the quotas does not answer, and the request may not pass without it. Send it "
        "again later."},
    [PROBLEM_UPSTREAM_TIMEOUT] = {"upstream_timeout", 504, NULL,
        "The provider did not answer in time. It may have worked on the request: repeat only what "
        "does no harm twice."},
};

static const struct {
    unsigned status;
    const char *text;
} status_texts[] = { /* RFC 9110, section 15 */
    {400, "Bad Request"},           {401, "Unauthorized"},
    {403, "Forbidden"},             {404, "Not Found"},
    {405, "Method Not Allowed"},    {408, "Request Timeout"},       {409, "Conflict"},
    {413, "Content Too Large"},     {414, "URI Too Long"},
    {417, "Expectation Failed"},    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {501, "Not Implemented"},       {502, "Bad Gateway"},
    {503, "Service Unavailable"},   {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};
/* clang-format on */

static const struct row *row_of(enum problem_code code)
{
    assert((unsigned)code < PROBLEM_CODES);
    return &rows[code];
}

const char *problem_code_text(enum problem_code code)
{
    return row_of(code)->text;
}

unsigned problem_status(enum problem_code code)
{
    return row_of(code)->status;
}

const char *problem_status_text(unsigned status)
{
    for (size_t i = 0; i < sizeof(status_texts) / sizeof(status_texts[0]); i++) {
        if (status_texts[i].status == status) {
            return status_texts[i].text;
        }
    }
    return "Error";
}

enum problem_code problem_from_status(unsigned status)
{
    switch (status) {
    case 408:
        return PROBLEM_CLIENT_TIMEOUT;
    case 413:
        return PROBLEM_BODY_TOO_LARGE;
    case 414:
        return PROBLEM_URI_TOO_LONG;
    case 417:
        return PROBLEM_EXPECTATION_FAILED;
    case 431:
        return PROBLEM_HEADERS_TOO_LARGE;
    case 501:
        return PROBLEM_NOT_IMPLEMENTED;
    case 503:
        return PROBLEM_OVERLOADED;
    case 505:
        return PROBLEM_HTTP_VERSION;
    default:
        return PROBLEM_BAD_REQUEST;
    }
}

/* "<title>: <detail>." or the code's own sentence. */
static enum status compose_message(const struct row *row, const char *detail, struct buffer *out)
{
    if (row->title == NULL || detail == NULL || detail[0] == '\0') {
        return buffer_append(out, slice_from(row->sentence));
    }
    struct slice text = slice_from(detail);
    bool ended = text.ptr[text.len - 1] == '.';
    TRY(buffer_append(out, slice_from(row->title)));
    TRY(buffer_append(out, SLICE(": ")));
    TRY(buffer_append(out, text));
    return buffer_append(out, ended ? SLICE("") : SLICE("."));
}

/* What the placeholders of an error template stand for. */
struct facts {
    struct slice message;
    struct slice type;
    struct slice code;
    struct slice status;
    struct slice request_id;
};

static const struct placeholder {
    struct slice name;
    size_t offset;
} placeholders[] = {
    {SLICE_INIT("{message}"), offsetof(struct facts, message)},
    {SLICE_INIT("{type}"), offsetof(struct facts, type)},
    {SLICE_INIT("{code}"), offsetof(struct facts, code)},
    {SLICE_INIT("{status}"), offsetof(struct facts, status)},
    {SLICE_INIT("{request_id}"), offsetof(struct facts, request_id)},
};

/* The one that `text` begins with, or NULL: then the brace is JSON's own. */
static const struct placeholder *placeholder_at(struct slice text)
{
    for (size_t i = 0; i < sizeof(placeholders) / sizeof(placeholders[0]); i++) {
        if (slice_starts_with(text, placeholders[i].name)) {
            return &placeholders[i];
        }
    }
    return NULL;
}

/* Characters of XML as what stands for them; those that it cannot have are left out. */
static enum status encode_xml(struct slice text, struct buffer *out)
{
    for (size_t i = 0; i < text.len; i++) {
        const char *byte = &text.ptr[i];
        struct slice written = *byte == '<'   ? SLICE("&lt;")
                               : *byte == '>' ? SLICE("&gt;")
                               : *byte == '&' ? SLICE("&amp;")
                               : *byte == '"' ? SLICE("&quot;")
                                              : slice_make(byte, (unsigned char)*byte >= ' ');
        TRY(buffer_append(out, written));
    }
    return STATUS_OK;
}

typedef enum status encode_fn(struct slice text, struct buffer *out);

/* How texts are written into an error of this type. */
static encode_fn *encoder_for(struct slice content_type)
{
    const struct slice xml = SLICE("xml");
    bool is_xml = content_type.len >= xml.len &&
                  slice_equal(slice_skip(content_type, content_type.len - xml.len), xml);
    return is_xml ? encode_xml : encode_json;
}

static enum status fill(struct slice template, const struct facts *facts, encode_fn *encode,
                        struct buffer *body)
{
    while (template.len > 0) {
        size_t plain = slice_find(template, '{');
        TRY(buffer_append(body, slice_make(template.ptr, plain)));
        template = slice_skip(template, plain);
        const struct placeholder *found = placeholder_at(template);
        if (found != NULL) {
            const struct slice *value =
                (const struct slice *)(const void *)((const char *)facts + found->offset);
            TRY(encode(*value, body));
            template = slice_skip(template, found->name.len);
        } else if (template.len > 0) {
            TRY(buffer_append(body, slice_make(template.ptr, 1)));
            template = slice_skip(template, 1);
        }
    }
    return STATUS_OK;
}

/* The provider's own words for this status and code, else ours. */
static void choose_type(const struct profile *profile, const struct row *row, struct facts *facts)
{
    const struct error_type *chosen =
        profile_error_type(profile, row->status, slice_from(row->text));
    facts->type = chosen != NULL && chosen->type.len > 0 ? chosen->type : SLICE("gateway_error");
    facts->code = chosen != NULL && chosen->code.len > 0 ? chosen->code : slice_from(row->text);
}

/* RFC 9457: "title" is the same for every occurrence, "detail" is about this one. */
static const struct slice problem_json = SLICE_INIT(
    "{\"type\":\"about:blank\",\"title\":\"{type}\",\"status\":{status},\"detail\":\"{message}\","
    "\"code\":\"{code}\",\"request_id\":\"{request_id}\"}\n");

enum status problem_render(const struct profile *profile, enum problem_code code,
                           const char *detail, const char *request_id, struct buffer *body,
                           struct slice *ret_content_type)
{
    const struct row *row = row_of(code);
    struct buffer message CLEANUP(buffer_fini);
    buffer_init(&message, MESSAGE_MAX_BYTES);
    TRY(compose_message(row, detail, &message));

    const char digits[] = {(char)('0' + row->status / 100), (char)('0' + row->status / 10 % 10),
                           (char)('0' + row->status % 10)};
    struct facts facts = {
        .message = buffer_bytes(&message),
        .type = slice_from(problem_status_text(row->status)),
        .code = slice_from(row->text),
        .status = slice_make(digits, sizeof(digits)),
        .request_id = slice_from(request_id),
    };
    if (profile == NULL || profile->error.body.len == 0) {
        *ret_content_type = SLICE("application/problem+json");
        return fill(problem_json, &facts, encode_json, body);
    }
    choose_type(profile, row, &facts);
    *ret_content_type = profile->error.content_type.len > 0 ? profile->error.content_type
                                                            : SLICE("application/json");
    return fill(profile->error.body, &facts, encoder_for(*ret_content_type), body);
}

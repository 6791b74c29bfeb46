/* profile_check: the errors that the gateway makes with a profile's template, looked at beforehand.
 */
#include "base/ascii.h"
#include "base/buffer.h"
#include "base/json.h"
#include "routes/profile.h"

#include <stdio.h>

enum { BODY_MAX_BYTES = 16 * 1024, STATUS_TEXT_BYTES = 8 };

/* Statuses, each with a code of the gateway's. */
static const struct {
    unsigned status;
    struct slice code;
} problems[] = {
    {400, SLICE_INIT("bad_request")},          {401, SLICE_INIT("tenant_unknown")},
    {403, SLICE_INIT("route_not_allowed")},    {404, SLICE_INIT("no_such_route")},
    {405, SLICE_INIT("method_not_allowed")},   {408, SLICE_INIT("client_timeout")},
    {409, SLICE_INIT("idempotency_conflict")}, {413, SLICE_INIT("body_too_large")},
    {429, SLICE_INIT("quota_exceeded")},       {429, SLICE_INIT("budget_exceeded")},
    {501, SLICE_INIT("not_implemented")},      {502, SLICE_INIT("upstream_unreachable")},
    {503, SLICE_INIT("circuit_open")},         {504, SLICE_INIT("upstream_timeout")},
};

struct filling {
    struct slice mark, text;
};

enum { FILLINGS = 5 };

/* "{word}", which would be shown to the caller as it is. */
static bool unknown_mark(struct slice text)
{
    size_t at = 1;
    while (at < text.len && (ascii_is_letter(text.ptr[at]) || text.ptr[at] == '_')) {
        at++;
    }
    return text.ptr[0] == '{' && at > 1 && at < text.len && text.ptr[at] == '}';
}

static enum status fill(struct slice template, const struct filling *fillings, struct buffer *out,
                        struct error *err)
{
    while (template.len > 0) {
        struct slice text = slice_make(template.ptr, 1);
        size_t used = 1;
        for (unsigned i = 0; i < FILLINGS; i++) {
            if (slice_starts_with(template, fillings[i].mark)) {
                text = fillings[i].text;
                used = fillings[i].mark.len;
            }
        }
        if (used == 1 && unknown_mark(template)) {
            FAIL(err, STATUS_INVALID,
                 "error: body: {message}, {type}, {code}, {status} and {request_id} are filled in, "
                 "and nothing else in braces");
        }
        TRY(buffer_append(out, text));
        template = slice_skip(template, used);
    }
    return STATUS_OK;
}

static bool has(struct slice text, struct slice part)
{
    for (size_t i = 0; i + part.len <= text.len; i++) {
        if (slice_starts_with(slice_skip(text, i), part)) {
            return true;
        }
    }
    return false;
}

static enum status check_one(const struct profile *profile, unsigned status, struct slice code,
                             struct error *err)
{
    static const struct json_limits limits = {BODY_MAX_BYTES, 16, JSON_NAMES_ONCE};
    const struct error_type *type = profile_error_type(profile, status, code);
    struct cJSON *value CLEANUP(json_free_at) = NULL;
    struct buffer body CLEANUP(buffer_fini);
    char number[STATUS_TEXT_BYTES];
    (void)snprintf(number, sizeof(number), "%u", status);
    const struct filling fillings[FILLINGS] = {
        {SLICE("{message}"), SLICE("say \\\"no\\\"")}, /* JSON-escaped */
        {SLICE("{type}"), type == NULL ? SLICE("") : type->type},
        {SLICE("{code}"), type == NULL || type->code.len == 0 ? code : type->code},
        {SLICE("{status}"), slice_from(number)},
        {SLICE("{request_id}"), SLICE("0123456789abcdef")},
    };
    buffer_init(&body, BODY_MAX_BYTES);
    TRY(fill(profile->error.body, fillings, &body, err));
    if (type == NULL && has(profile->error.body, SLICE("{type}"))) {
        FAIL(err, STATUS_INVALID, "error_types: nothing for status %u, and error.body has {type}",
             status);
    }
    if (has(profile->error.content_type, SLICE("json")) &&
        json_parse(buffer_bytes(&body), &limits, &value, err) != STATUS_OK) {
        error_prefix(err, "error: body: with status %u and code %.*s", status, SLICE_ARG(code));
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

enum status profile_check_errors(const struct profile *profile, struct error *err)
{
    for (size_t i = 0; profile->error.body.len > 0 && i < sizeof(problems) / sizeof(problems[0]);
         i++) {
        if (check_one(profile, problems[i].status, problems[i].code, err) != STATUS_OK) {
            error_prefix(err, "profile %s", profile->name);
            return STATUS_INVALID;
        }
    }
    return STATUS_OK;
}

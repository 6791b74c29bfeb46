#include "auth/outbound/token_form.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "base/json.h"

enum status token_form_put(struct buffer *body, const char *name, struct slice value)
{
    if (value.len == 0) {
        return STATUS_OK;
    }
    TRY(buffer_append(body, buffer_len(body) > 0 ? SLICE("&") : SLICE("")));
    TRY(encode_percent(slice_from(name), body));
    TRY(buffer_append(body, SLICE("=")));
    return encode_percent(value, body);
}

enum status token_form_begin(const struct token_input *input, const char *grant_type,
                             struct token_call *ret)
{
    bool said = false;
    const struct token_plan *plan = input->plan;
    TRY(buffer_append(ret->fields, SLICE("Content-Type: application/x-www-form-urlencoded\r\n")));
    for (unsigned i = 0; i < plan->parameter_count; i++) {
        said = said || slice_equal(plan->parameters[i].name, SLICE("grant_type"));
        TRY(token_form_put(ret->body, plan->parameters[i].name.ptr, plan->parameters[i].value));
    }
    return said ? STATUS_OK : token_form_put(ret->body, "grant_type", slice_from(grant_type));
}

/* Both parts are form-encoded before they are joined. The plain text lies behind what is there of
 * the fields until it is encoded, for that is memory that is wiped. */
static enum status put_basic(struct slice id, struct slice secret, struct buffer *fields)
{
    struct buffer plain CLEANUP(buffer_wipe);
    buffer_init(&plain, TOKEN_CALL_MAX);
    TRY(buffer_reserve(&plain, 3 * (id.len + secret.len) + 1));
    TRY(encode_percent(id, &plain));
    TRY(buffer_append(&plain, SLICE(":")));
    TRY(encode_percent(secret, &plain));
    struct slice bytes = buffer_bytes(&plain);
    TRY(buffer_append(fields, SLICE("Authorization: Basic ")));
    TRY(buffer_reserve(fields, (bytes.len + 2) / 3 * 4));
    buffer_commit(fields, encode_base64(bytes, buffer_tail(fields)));
    return buffer_append(fields, SLICE("\r\n"));
}

enum status token_form_client(const struct token_input *input, struct slice id, struct slice secret,
                              struct token_call *ret)
{
    if (slice_equal(input->plan->values[TOKEN_CLIENT], SLICE("body"))) {
        TRY(token_form_put(ret->body, "client_id", id));
        return token_form_put(ret->body, "client_secret", secret);
    }
    return put_basic(id, secret, ret->fields);
}

bool token_split(struct slice text, struct slice *ret_head, struct slice *ret_rest)
{
    size_t at = slice_find(text, ':');
    *ret_head = slice_make(text.ptr, at);
    *ret_rest = slice_skip(text, at + 1);
    return ret_head->len > 0 && ret_rest->len > 0;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

struct slice token_trim(struct slice text)
{
    while (text.len > 0 && is_blank(text.ptr[0])) {
        text = slice_skip(text, 1);
    }
    while (text.len > 0 && is_blank(text.ptr[text.len - 1])) {
        text.len--;
    }
    return text;
}

bool token_is_json(struct slice secret)
{
    return slice_starts_with(token_trim(secret), SLICE("{"));
}

enum status token_json(struct slice secret, struct cJSON **ret, struct error *err)
{
    static const struct json_limits limits = {
        .bytes = TOKEN_SECRET_MAX, .depth = 8, .names = JSON_NAMES_ONCE};
    if (json_parse(secret, &limits, ret, NULL) != STATUS_OK || !json_is_object(*ret)) {
        FAIL(err, STATUS_INVALID, "the secret is no JSON object");
    }
    return STATUS_OK;
}

enum status token_member(const struct cJSON *object, const char *name, struct slice *ret,
                         struct error *err)
{
    if (!json_string(json_get(object, name), ret) || ret->len == 0) {
        FAIL(err, STATUS_INVALID, "the secret's JSON has no text \"%s\"", name);
    }
    return STATUS_OK;
}

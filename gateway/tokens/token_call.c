#include "gateway/tokens/token_call.h"

#include "auth/outbound/scrub.h"
#include "auth/outbound/secret_parts.h"
#include "auth/outbound/token_answer.h"
#include "auth/outbound/token_form.h"
#include "base/json.h"
#include "base/secret.h"
#include "config/token.h"
#include "config/url.h"
#include "routes/target.h"

#include <string.h>

static const struct slice google = SLICE_INIT(".googleapis.com");

/* https://docs.cloud.google.com/compute/docs/metadata/querying-metadata, and Azure's and AWS's; not
 * by a name, which somebody else could answer for. */
static const char metadata[] = "169.254.169.254";

enum { HTTPS_PORT = 443, HTTP_PORT = 80 };

/* ---- where it may go ---- */

static bool ends_with(struct slice text, struct slice end)
{
    return text.len > end.len && slice_equal(slice_skip(text, text.len - end.len), end);
}

/* The config's own place, and all that is trusted there. */
static bool is_endpoint(const struct token_rule *rule, const struct url *url)
{
    const struct origin *origin = &rule->origin;
    return origin->host != NULL && origin->tls == url->tls && origin->port == url->port &&
           strcmp(origin->host, url->host) == 0;
}

static bool may_go(enum token_place place, const struct url *url)
{
    if (place == TOKEN_FROM_URL) {
        return url->tls || (url->port == HTTP_PORT && strcmp(url->host, metadata) == 0);
    }
    return url->tls && url->port == HTTPS_PORT && ends_with(slice_from(url->host), google);
}

static struct origin make_origin(const struct token_rule *rule, const struct url *url,
                                 struct arena *arena)
{
    struct origin origin = {
        .tls = url->tls, .host = url->host, .port = url->port, .authority = url->authority};
    if (url->tls) {
        origin.ca_file = rule->origin.ca_file;
        origin.proxy = rule->origin.proxy;
    }
    origin.key = arena_print(arena, "%s://%s:%u beside %s", url->tls ? "https" : "http", url->host,
                             url->port, rule->origin.key == NULL ? "" : rule->origin.key);
    return origin;
}

enum status token_called_find(const struct token_rule *rule, enum token_place place,
                              struct slice url, struct arena *arena, struct token_goal *ret,
                              struct error *err)
{
    struct url parts = {0};
    struct slice path, query;
    size_t mark = slice_find(url, '?');
    struct slice behind = slice_skip(url, mark);
    if (url_parse(arena, slice_make(url.ptr, mark), &parts, NULL) != STATUS_OK) {
        FAIL(err, STATUS_INVALID, "is not asked: a URL in the secret is none");
    }
    ret->target = slice_from(arena_print(arena, "%.*s%.*s",
                                         SLICE_ARG(parts.path.len > 0 ? parts.path : SLICE("/")),
                                         SLICE_ARG(behind)));
    if (target_check(ret->target, &path, &query, NULL) != STATUS_OK) {
        FAIL(err, STATUS_INVALID, "is not asked: a URL in the secret is none");
    }
    if (is_endpoint(rule, &parts)) {
        ret->origin = rule->origin;
        return STATUS_OK;
    }
    if (!may_go(place, &parts)) {
        FAIL(err, STATUS_INVALID, "%s",
             place == TOKEN_FROM_URL
                 ? "is not asked: the URL of the secret's credential_source is neither https nor "
                   "http://169.254.169.254"
                 : "is not asked: a URL in the secret leads neither to https at googleapis.com nor "
                   "where the token's url is");
    }
    ret->origin = make_origin(rule, &parts, arena);
    return STATUS_OK;
}

/* ---- the head ---- */

static enum status write_head(const struct token_called *it, struct slice fields,
                              struct buffer *head)
{
    bool posts = it->method == HTTP1_POST;
    TRY(buffer_append(head, posts ? SLICE("POST ") : SLICE("GET ")));
    TRY(buffer_append(head, it->goal.target));
    TRY(buffer_append(head, SLICE(" HTTP/1.1\r\nHost: ")));
    TRY(buffer_append(head, slice_from(it->goal.origin.authority)));
    /* It is called once an hour: a connection that is kept until then is one that may be dead. */
    TRY(buffer_append(head, SLICE("\r\nUser-Agent: sallyport\r\nConnection: close\r\n")));
    TRY(buffer_append(head, posts ? SLICE("Accept: application/json\r\n") : SLICE("")));
    TRY(buffer_append(head, fields));
    if (posts) {
        TRY(buffer_append(head, SLICE("Content-Length: ")));
        TRY(buffer_append_number(head, buffer_len(&it->body)));
        TRY(buffer_append(head, SLICE("\r\n")));
    }
    return buffer_append(head, SLICE("\r\n"));
}

/* All at once: growing would leave copies of a secret behind. */
enum status token_called_room(struct buffer *buffer)
{
    buffer_wipe(buffer);
    buffer_init(buffer, TOKEN_CALL_MAX);
    return buffer_reserve(buffer, TOKEN_CALL_MAX);
}

static enum status write_call(struct token_called *it, const struct token_rule *rule,
                              struct slice fields, struct error *err)
{
    it->method = it->step.place == TOKEN_FROM_URL ? HTTP1_GET : HTTP1_POST;
    switch (it->step.place) {
    case TOKEN_AT_ENDPOINT:
        it->goal = (struct token_goal){rule->origin, rule->path};
        break;
    case TOKEN_AT_URL:
    case TOKEN_FROM_URL:
        TRY(token_called_find(rule, it->step.place, buffer_bytes(&it->where), &it->arena, &it->goal,
                              err));
        break;
    case TOKEN_IN_FILE:
        return buffer_append(&it->where, slice_make("", 1));
    }
    return write_head(it, fields, &it->head);
}

void token_called_fini(struct token_called *it)
{
    buffer_fini(&it->where);
    buffer_fini(&it->member);
    buffer_wipe(&it->head);
    buffer_wipe(&it->body);
    arena_fini(&it->arena);
    *it = (struct token_called){0};
}

enum status token_called_make(struct token_called *it, const struct token_rule *rule,
                              const struct token_input *input, struct error *err)
{
    struct buffer fields CLEANUP(buffer_wipe);
    struct token_call call = {.fields = &fields, .body = &it->body, .step = &it->step};
    (void)error_set(err, STATUS_TOO_LARGE, __FILE__, __LINE__,
                    "is not asked: the request would be longer than %d bytes", TOKEN_CALL_MAX);
    token_called_fini(it);
    buffer_init(&it->where, TOKEN_WHERE_MAX);
    buffer_init(&it->member, TOKEN_WHERE_MAX);
    it->step.where = &it->where;
    it->step.member = &it->member;
    buffer_init(&fields, TOKEN_CALL_MAX);
    TRY(token_called_room(&fields));
    TRY(token_called_room(&it->body));
    TRY(token_called_room(&it->head));
    enum status status = input->plan->grant->call(input, &call, err);
    if (status == STATUS_INVALID) {
        error_prefix(err, "is not asked");
    }
    TRY(status);
    return write_call(it, rule, buffer_bytes(&fields), err);
}

/* ---- the subject's token ---- */

static enum status keep(struct slice token, struct secret **ret, struct error *err)
{
    if (token.len == 0 || token.len > TOKEN_BYTES_MAX) {
        FAIL(err, STATUS_INVALID, "has no token, or one of more than %d bytes", TOKEN_BYTES_MAX);
    }
    *ret = secret_new(token);
    return STATUS_OK;
}

enum status token_called_read(struct slice text, struct slice member, struct secret **ret,
                              struct error *err)
{
    static const struct json_limits limits = {
        .bytes = TOKEN_ANSWER_MAX, .depth = 16, .names = JSON_NAMES_ONCE};
    struct cJSON *json CLEANUP(json_free_at) = NULL;
    struct slice token;
    char name[TOKEN_WHERE_MAX + 1];
    if (member.len == 0) {
        return keep(token_trim(text), ret, err);
    }
    memcpy(name, member.ptr, member.len);
    name[member.len] = '\0';
    if (json_parse(text, &limits, &json, NULL) != STATUS_OK ||
        !json_string(json_get(json, name), &token)) {
        FAIL(err, STATUS_INVALID,
             "has no JSON object with the text that "
             "subject_token_field_name says");
    }
    enum status status = keep(token, ret, err);
    secret_wipe((char *)token.ptr, token.len);
    return status;
}

/* ---- what may not come back ---- */

/* What of a token proves something by itself: the JWT of vapid's "t=JWT, k=KEY", the signature of
 * azure_sas' "sr=...&sig=SIGNATURE&...". It must not come back without the rest either. */
static struct slice proof_of(struct slice token)
{
    const struct slice mark = SLICE("&sig=");
    struct slice from = token;
    while (from.len > 0 && !slice_starts_with(from, mark)) {
        from = slice_skip(from, 1);
    }
    if (from.len > 0) {
        from = slice_skip(from, mark.len);
        return slice_make(from.ptr, slice_find(from, '&'));
    }
    from = slice_skip(token, slice_find(token, '=') + 1);
    return slice_make(from.ptr, slice_find(from, ','));
}

struct scrubber *token_scrubber(const struct token_grant *grant, struct slice token)
{
    if (grant->sign == NULL) {
        return scrubber_for_secret(token);
    }
    const struct slice parts[] = {token, proof_of(token)};
    return scrubber_new(parts, parts[1].len > 0 ? 2 : 1);
}

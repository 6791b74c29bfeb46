#include "gateway/exchange/inject.h"

#include "auth/inbound/tenant.h"
#include "auth/secrets/secret_store.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "base/http1.h"
#include "base/json_edit.h"
#include "base/secret.h"
#include "config/snapshot.h"
#include "gateway/exchange/exchange.h"
#include "gateway/exchange/path_key.h"
#include "routes/profile.h"
#include "routes/target.h"

#include <assert.h>
#include <stdbool.h>

enum { DROPPED_QUERY_MAX = PROFILE_SLOTS_MAX + INJECTIONS_MAX, PLAIN_MAX_BYTES = 64 * 1024 };

/* A route that injects has a credential, and `choose` has taken one (config/link sees to it). */
static struct slice revealed(const struct exchange *exchange)
{
    assert(exchange->credential != NULL);
    return secret_reveal(exchange->credential->secret);
}

/* False: it has no parts. */
static bool values_of(const struct exchange *exchange, struct injection_values *ret)
{
    struct slice secret = revealed(exchange);
    if (!exchange->route->injections.needs_pair) {
        *ret = (struct injection_values){.secret = secret};
        return true;
    }
    return injection_values_split(secret, ret);
}

/* ---- whether it fits ---- */

static bool parts_fit(const struct injection *injection, const struct injection_values *values)
{
    for (unsigned i = 0; i < injection->piece_count; i++) {
        if (!http1_valid_field_value(injection_value(values, injection->pieces[i].part))) {
            return false;
        }
    }
    return true;
}

/* A secret with a line break in it would end the header: it cannot be a header's value. */
enum status inject_check(const struct exchange *exchange, struct error *err)
{
    const struct injections *injections = &exchange->route->injections;
    struct injection_values values;
    if (injections->count == 0) {
        return STATUS_OK;
    }
    if (injections->line_before.len > 0 && http1_valid_field_value(revealed(exchange))) {
        return STATUS_OK; /* most end here */
    }
    if (!values_of(exchange, &values)) {
        FAIL(err, STATUS_INVALID,
             "the secret \"%s\" of route \"%s\" has no colon: it is to be USER:PASSWORD, two parts "
             "that are sent by themselves",
             exchange->credential->name, exchange->route->name);
    }
    for (unsigned i = 0; i < injections->count; i++) {
        const struct injection *injection = &injections->list[i];
        if (injection->place == INJECT_HEADER && !parts_fit(injection, &values)) {
            FAIL(err, STATUS_INVALID,
                 "the secret \"%s\" of route \"%s\" has bytes that a header cannot carry",
                 exchange->credential->name, exchange->route->name);
        }
    }
    return STATUS_OK;
}

/* ---- target ---- */

/* Query parameters that can carry a caller's key, and those that are injected. */
static unsigned dropped_parameters(const struct route *route, struct slice *names)
{
    unsigned count = 0;
    const struct profile *profile = route->profile;
    for (unsigned i = 0; i < profile->slot_count; i++) {
        if (profile->slots[i].kind == SLOT_QUERY) {
            names[count++] = profile->slots[i].name;
        }
    }
    for (unsigned i = 0; i < route->injections.count; i++) {
        if (route->injections.list[i].place == INJECT_QUERY) {
            names[count++] = route->injections.list[i].name;
        }
    }
    return count;
}

/* Is it a key of this gateway's? One of another that the provider has is the caller's to send. */
static bool has_tenant_key(const struct exchange *exchange, struct slice text)
{
    struct api_key_hash hash;
    struct slice key;
    while (path_key_find(text, &key)) {
        api_key_hash(key, &hash);
        if (tenant_table_find(&exchange->snapshot->tenant_table, &hash) != NULL) {
            return true;
        }
        text = slice_skip(text, (size_t)(key.ptr + key.len - text.ptr));
    }
    return false;
}

bool inject_target_tells(const struct exchange *exchange)
{
    if (has_tenant_key(exchange, exchange->rest)) {
        return true;
    }
    if (!has_tenant_key(exchange, exchange->query)) {
        return false;
    }
    struct slice dropped[DROPPED_QUERY_MAX];
    struct buffer query CLEANUP(buffer_fini);
    buffer_init(&query, exchange->query.len + 1);
    unsigned count = dropped_parameters(exchange->route, dropped);
    return target_write_query(exchange->query, dropped, count, &query) != STATUS_OK ||
           has_tenant_key(exchange, buffer_bytes(&query));
}

static enum status write_path(const struct exchange *exchange, struct buffer *out)
{
    const struct injections *injections = &exchange->route->injections;
    struct injection_values values;
    (void)values_of(exchange, &values); /* inject_check() saw it */
    TRY(buffer_append(out, exchange->route->base_path));
    TRY(buffer_append(out, SLICE("/")));
    for (unsigned i = 0; i < injections->count; i++) {
        if (injections->list[i].place == INJECT_PATH) { /* one at most */
            return injection_write_encoded(&injections->list[i], &values, out);
        }
    }
    return STATUS_OK;
}

static enum status write_parameters(const struct exchange *exchange, size_t start,
                                    struct buffer *out)
{
    const struct injections *injections = &exchange->route->injections;
    struct injection_values values;
    (void)values_of(exchange, &values);
    for (unsigned i = 0; i < injections->count; i++) {
        const struct injection *injection = &injections->list[i];
        if (injection->place != INJECT_QUERY) {
            continue;
        }
        struct slice written = slice_skip(buffer_bytes(out), start);
        bool has_query = slice_find(written, '?') < written.len;
        TRY(buffer_append(out, has_query ? SLICE("&") : SLICE("?")));
        TRY(encode_percent(injection->name, out));
        TRY(buffer_append(out, SLICE("=")));
        TRY(injection_write_encoded(injection, &values, out));
    }
    return STATUS_OK;
}

enum status inject_write_target(const struct exchange *exchange, struct buffer *out)
{
    struct slice dropped[DROPPED_QUERY_MAX];
    const struct route *route = exchange->route;
    unsigned count = dropped_parameters(route, dropped);
    size_t start = buffer_len(out);

    if (!injections_go_to(&route->injections, INJECT_PATH)) {
        TRY(target_write(route, exchange->path, exchange->query, dropped, count, out));
    } else {
        struct route behind = *route; /* what comes before the rest is written here */
        behind.base_path = slice_make("", 0);
        TRY(write_path(exchange, out));
        TRY(target_write(&behind, exchange->path, exchange->query, dropped, count, out));
    }
    return injections_go_to(&route->injections, INJECT_QUERY)
               ? write_parameters(exchange, start, out)
               : STATUS_OK;
}

/* ---- headers ---- */

static enum status write_basic(const struct injection *injection,
                               const struct injection_values *values, struct buffer *out)
{
    struct buffer plain CLEANUP(buffer_wipe);
    buffer_init(&plain, PLAIN_MAX_BYTES);
    TRY(buffer_reserve(&plain,
                       injection_len(injection, values))); /* it never moves: no copy stays */
    TRY(injection_write(injection, values, &plain));
    struct slice bytes = buffer_bytes(&plain);
    TRY(buffer_reserve(out, (bytes.len + 2) / 3 * 4));
    buffer_commit(out, encode_base64(bytes, buffer_tail(out)));
    return STATUS_OK;
}

static enum status write_header(const struct injection *injection,
                                const struct injection_values *values, struct buffer *out)
{
    switch (injection->place) {
    case INJECT_QUERY:
    case INJECT_PATH:
    case INJECT_BODY:
        return STATUS_OK;
    case INJECT_HEADER:
        TRY(buffer_append(out, injection->name));
        TRY(buffer_append(out, SLICE(": ")));
        TRY(injection_write(injection, values, out));
        break;
    case INJECT_BASIC:
        TRY(buffer_append(out, SLICE("Authorization: Basic ")));
        TRY(write_basic(injection, values, out));
        break;
    }
    return buffer_append(out, SLICE("\r\n"));
}

/* An end user's own token stands in place of what would be injected there. */
static enum status write_user_token(const struct exchange *exchange, struct buffer *out)
{
    TRY(buffer_append(out, exchange->route->profile->user_token.name));
    TRY(buffer_append(out, SLICE(": ")));
    TRY(buffer_append(out, exchange->user_token));
    return buffer_append(out, SLICE("\r\n"));
}

static bool is_users(const struct exchange *exchange, const struct injection *injection)
{
    bool header = injection->place == INJECT_HEADER || injection->place == INJECT_BASIC;
    return exchange->user_token.len > 0 && header &&
           slice_equal_nocase(injection->name, exchange->route->profile->user_token.name);
}

enum status inject_write_headers(const struct exchange *exchange, struct buffer *out)
{
    const struct injections *injections = &exchange->route->injections;
    struct injection_values values;
    if (exchange->user_token.len > 0) {
        TRY(write_user_token(exchange, out));
    }
    if (injections->count == 0) {
        return STATUS_OK;
    }
    if (injections->line_before.len > 0 && exchange->user_token.len == 0) {
        TRY(buffer_append(out, injections->line_before));
        TRY(buffer_append(out, revealed(exchange)));
        return buffer_append(out, injections->line_after);
    }
    (void)values_of(exchange, &values);
    for (unsigned i = 0; i < injections->count; i++) {
        if (!is_users(exchange, &injections->list[i])) {
            TRY(write_header(&injections->list[i], &values, out));
        }
    }
    return STATUS_OK;
}

/* ---- body ---- */

enum { GROWTH_MAX = 6 }; /* bytes that one of the credential may become: "\u0001" */

size_t inject_body_growth(const struct exchange *exchange)
{
    const struct injections *injections = &exchange->route->injections;
    struct injection_values values;
    size_t growth = 0;
    if (!injections_go_to(injections, INJECT_BODY) || !values_of(exchange, &values)) {
        return 0;
    }
    for (unsigned i = 0; i < injections->count; i++) {
        const struct injection *injection = &injections->list[i];
        if (injection->place == INJECT_BODY) {
            growth += GROWTH_MAX * (injection_len(injection, &values) + injection->name.len + 1);
        }
    }
    return growth;
}

static enum status put_member(const struct injection *injection,
                              const struct injection_values *values, struct slice body,
                              struct buffer *out, struct error *err)
{
    struct buffer plain CLEANUP(buffer_wipe);
    struct buffer value CLEANUP(buffer_wipe);
    size_t len = injection_len(injection, values);
    buffer_init(&plain, len + 1);
    buffer_init(&value, GROWTH_MAX * len + 2);
    TRY(buffer_reserve(&plain, len + 1));
    TRY(buffer_reserve(&value, GROWTH_MAX * len + 2));
    TRY(injection_write(injection, values, &plain));
    TRY(encode_json_string(buffer_bytes(&plain), &value));
    enum status status = json_member_put(body, injection->name, buffer_bytes(&value), out, err);
    if (status == STATUS_INVALID) {
        error_prefix(err,
                     "the credential goes into the body's \"%.*s\", so the body must be a"
                     " JSON object",
                     SLICE_ARG(injection->name));
    }
    return status;
}

/* A caller's own field is left out, wherever it is. */
static enum status put_field(const struct injection *injection,
                             const struct injection_values *values, struct slice body,
                             struct buffer *out)
{
    struct buffer rest CLEANUP(buffer_fini);
    buffer_init(&rest, body.len + 1);
    TRY(target_write_query(body, &injection->name, 1, &rest));
    struct slice kept = slice_skip(buffer_bytes(&rest), 1); /* "?" */
    TRY(buffer_append(out, kept));
    TRY(buffer_append(out, kept.len > 0 ? SLICE("&") : SLICE("")));
    TRY(encode_percent(injection->name, out));
    TRY(buffer_append(out, SLICE("=")));
    return injection_write_encoded(injection, values, out);
}

/* Whether the body is a form; STATUS_INVALID: it cannot be read at all. */
static enum status read_kind(const struct http1_request *request, bool *ret_form, struct error *err)
{
    *ret_form = false;
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct http1_field *field = &request->fields[i];
        if (http1_field_encodes(field)) {
            FAIL(err, STATUS_INVALID,
                 "the credential goes into the body, so it must come without Content-Encoding: "
                 "switch compression off in the SDK");
        }
        if (field->id == HTTP1_CONTENT_TYPE) {
            struct slice type = field->value;
            type.len = slice_find(type, ';');
            *ret_form =
                slice_equal_nocase(slice_trim(type), SLICE("application/x-www-form-urlencoded"));
        }
    }
    return STATUS_OK;
}

enum status inject_write_body(const struct exchange *exchange, struct slice body,
                              struct buffer *out, struct error *err)
{
    const struct injections *injections = &exchange->route->injections;
    bool form;
    struct injection_values values;
    struct buffer before CLEANUP(buffer_wipe);
    buffer_init(&before, out->max);
    TRY(read_kind(exchange->request, &form, err));
    (void)values_of(exchange, &values);
    for (unsigned i = 0; i < injections->count; i++) {
        const struct injection *injection = &injections->list[i];
        if (injection->place != INJECT_BODY) {
            continue;
        }
        if (buffer_len(out) > 0) { /* the next one goes into what the one before made */
            struct buffer made = *out;
            *out = before;
            before = made;
            buffer_consume(out, buffer_len(out));
            body = buffer_bytes(&before);
        }
        TRY(buffer_reserve(out, out->max));
        TRY(form ? put_field(injection, &values, body, out)
                 : put_member(injection, &values, body, out, err));
    }
    return STATUS_OK;
}

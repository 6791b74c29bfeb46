/*
 * join: the idempotency key. Where the provider takes one, the caller's goes up hashed with its
 * tenant, or one is made. A repeat under a key that is running waits for its end: then the provider
 * replays. Another request under that key is a conflict.
 */
#include "auth/inbound/tenant.h"
#include "base/memory.h"
#include "base/table.h"
#include "gateway/exchange/idempotency_use.h"
#include "gateway/exchange/steps.h"
#include "gateway/exchange/wait_line.h"
#include "routes/profile.h"

enum { LINE_KEY_MAX = 8 * 1024 };

void idempotency_use_free(struct idempotency_use *use)
{
    if (use != NULL) {
        wait_place_leave(TAKE(use->place));
        buffer_fini(&use->text);
        memory_free(use);
    }
}

/* ---- the caller's key ---- */

static enum status find_in_fields(const struct exchange *exchange, struct slice *ret,
                                  struct error *err)
{
    const struct idempotency_facts *facts = &exchange->route->profile->idempotency;
    const struct http1_request *request = exchange->request;
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct http1_field *field = &request->fields[i];
        if (!http1_field_is(field, facts->header, facts->header_hash)) {
            continue;
        }
        if (ret->len > 0) {
            FAIL(err, STATUS_INVALID, "the request has two idempotency keys; send one");
        }
        *ret = field->value;
    }
    return STATUS_OK;
}

static enum status find_given(const struct exchange *exchange, struct idempotency_use *use,
                              struct error *err)
{
    const struct idempotency_facts *facts = &exchange->route->profile->idempotency;
    if (facts->header.len > 0) {
        TRY(find_in_fields(exchange, &use->given, err));
    } else {
        TRY(idempotency_body_key(exchange->call_body, facts->member, &use->text, err));
        use->given = buffer_bytes(&use->text);
    }
    if (use->given.len > IDEMPOTENCY_GIVEN_MAX) {
        FAIL(err, STATUS_INVALID, "the idempotency key is longer than %d bytes",
             IDEMPOTENCY_GIVEN_MAX);
    }
    return STATUS_OK;
}

/* ---- the one that goes up ---- */

static void make_sent(const struct exchange *exchange, struct idempotency_use *use)
{
    unsigned most = exchange->route->profile->idempotency.max_length;
    if (use->given.len == 0) {
        size_t len = EXCHANGE_ID_LEN < most ? EXCHANGE_ID_LEN : most;
        memcpy(use->made, exchange->id, len);
        use->sent = slice_make(use->made, len);
    } else if (exchange->route->idempotency_as_is) {
        use->sent = use->given;
    } else {
        size_t len =
            idempotency_key_of(slice_from(exchange->tenant->name), use->given, most, use->made);
        use->sent = slice_make(use->made, len);
    }
}

/* ---- the line ---- */

static struct slice field_of(const struct http1_request *request, struct slice name)
{
    for (unsigned i = 0; i < request->field_count; i++) {
        if (slice_equal_nocase(request->fields[i].name, name)) {
            return request->fields[i].value;
        }
    }
    return slice_make("", 0);
}

static enum status put_part(struct slice part, struct buffer *out)
{
    TRY(buffer_append(out, part));
    return buffer_append(out, slice_make("", 1)); /* a zero byte: in none of the parts */
}

/* What a key is unique within: tenant, route, and what the provider itself keeps apart. */
static enum status write_line_key(const struct exchange *exchange,
                                  const struct idempotency_use *use, struct buffer *out)
{
    const struct idempotency_facts *facts = &exchange->route->profile->idempotency;
    TRY(put_part(slice_from(exchange->tenant->name), out));
    TRY(put_part(slice_from(exchange->route->name), out));
    TRY(put_part(use->given, out));
    for (unsigned i = 0; i < facts->scope_count; i++) {
        TRY(put_part(field_of(exchange->request, facts->scopes[i]), out));
    }
    return STATUS_OK;
}

/* Method, target and body: what must be the same under the same key. (Of a body that is not held
 * only its length is known.) */
static uint64_t likeness(const struct exchange *exchange)
{
    const struct http1_request *request = exchange->request;
    uint64_t body = exchange->body_mode == BODY_WHOLE ? table_hash(exchange->body_slice)
                                                      : request->content_length;
    uint64_t target = table_hash(request->path);
    return body * UINT64_C(0x9e3779b97f4a7c15) + target * 31 + table_hash(request->method_text);
}

/* NULL: it is not in the line; *ret says what the step comes to. */
static struct wait_place *stand_in_line(struct exchange *exchange, struct slice line,
                                        enum step_result *ret)
{
    struct exchange_side *side = exchange->side;
    bool other = false;
    struct wait_place *place = wait_line_join_alike(side->quota.joins, line, likeness(exchange),
                                                    side->quota.mailbox, &exchange->waiter, &other);
    if (place == NULL && other) {
        *ret = exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_IDEMPOTENCY_CONFLICT,
                             "another request, with another method, target or body, runs under "
                             "this idempotency key: use a new key for a new request");
    } else if (place == NULL) {
        *ret = exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_OVERLOADED,
                             "%d requests wait for the one that runs under this idempotency key",
                             WAIT_LINE_MAX);
    }
    return place;
}

/* ---- the step ---- */

static enum step_result run_under(struct exchange *exchange, struct idempotency_use *use)
{
    enum step_result result = STEP_WAIT;
    struct buffer line CLEANUP(buffer_fini);
    buffer_init(&line, LINE_KEY_MAX);
    make_sent(exchange, use);
    if (use->given.len == 0) {
        use->hash = table_hash(use->sent);
        return exchange_go(exchange, EXCHANGE_CHOOSE);
    }
    if (write_line_key(exchange, use, &line) != STATUS_OK) {
        return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_HEADERS_TOO_LARGE,
                             "the idempotency key and its scope are too long");
    }
    use->hash = table_hash(buffer_bytes(&line));
    use->place = stand_in_line(exchange, buffer_bytes(&line), &result);
    return use->place == NULL ? result : join_resume(exchange);
}

enum step_result join_begin(struct exchange *exchange)
{
    char normal[CALL_PATH_MAX];
    struct slice path;
    struct error err;
    if (!way_path(exchange, normal, &path) ||
        !idempotency_applies(exchange->route->profile, exchange->request->method_text, path)) {
        return exchange_go(exchange, EXCHANGE_CHOOSE);
    }
    struct idempotency_use *use = MEMORY_NEW(struct idempotency_use);
    exchange->key = use;
    buffer_init(&use->text, IDEMPOTENCY_GIVEN_MAX + 1);
    if (find_given(exchange, use, &err) != STATUS_OK) {
        return exchange_fail(exchange, ENDED_BY_CLIENT, PROBLEM_BAD_REQUEST, "%s", err.message);
    }
    return run_under(exchange, use);
}

enum step_result join_resume(struct exchange *exchange)
{
    if (wait_place_is_head(exchange->key->place)) {
        return exchange_go(exchange, EXCHANGE_CHOOSE);
    }
    if (exchange->total.due == 0) {
        exchange_limit_time(exchange);
    }
    return STEP_WAIT;
}

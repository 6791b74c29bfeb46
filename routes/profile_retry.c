#include "routes/profile_retry.h"

#include "base/http1.h"
#include "base/json.h"
#include "base/memory.h"
#include "routes/allow.h"
#include "routes/members.h"
#include "routes/profile.h"

enum { KEY_LENGTH_MIN = 20 };

/* ---- members of one kind ---- */

static bool lower_case_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] != ascii_lower(name.ptr[i])) {
            return false;
        }
    }
    return http1_valid_token(name);
}

/* A header's name in lower case, with its hash; absent: empty, and 0. */
static enum status read_header(struct arena *arena, const struct cJSON *object, const char *name,
                               struct slice *ret, uint32_t *ret_hash, struct error *err)
{
    TRY(members_text(arena, object, name, ret, err));
    if (ret->len > 0 && !lower_case_name(*ret)) {
        FAIL(err, STATUS_INVALID, "%s: a header's name in lower case is expected", name);
    }
    *ret_hash = ret->len > 0 ? http1_name_hash(*ret) : 0;
    return STATUS_OK;
}

static enum status need_header(struct arena *arena, const struct cJSON *object, const char *name,
                               struct slice *ret, uint32_t *ret_hash, struct error *err)
{
    TRY(read_header(arena, object, name, ret, ret_hash, err));
    if (ret->len == 0) {
        FAIL(err, STATUS_INVALID, "%s: missing or empty", name);
    }
    return STATUS_OK;
}

/* As in an allow rule, and as it is compared: normalized. */
static enum status check_path(struct arena *arena, struct slice path, struct error *err)
{
    struct allow_rule rule;
    const char *text = arena_print(arena, "any:* %.*s", SLICE_ARG(path));
    TRY(allow_parse(arena, slice_from(text), &rule, err));
    if (!slice_equal(rule.path, path)) {
        FAIL(err, STATUS_INVALID, "\"%.*s\" is compared as \"%.*s\"; write that", SLICE_ARG(path),
             SLICE_ARG(rule.path));
    }
    return STATUS_OK;
}

static enum status read_form(const struct cJSON *object, enum advice_form *ret, struct error *err)
{
    static const struct {
        struct slice name;
        enum advice_form form;
    } forms[] = {
        {SLICE_INIT("seconds-or-date"), ADVICE_SECONDS_OR_DATE},
        {SLICE_INIT("milliseconds"), ADVICE_MILLISECONDS},
        {SLICE_INIT("seconds"), ADVICE_SECONDS},
        {SLICE_INIT("duration"), ADVICE_DURATION},
        {SLICE_INIT("epoch"), ADVICE_EPOCH},
        {SLICE_INIT("time"), ADVICE_TIME},
    };
    struct slice name;
    TRY(json_text(object, "form", &name, err));
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (slice_equal(name, forms[i].name)) {
            *ret = forms[i].form;
            return STATUS_OK;
        }
    }
    FAIL(err, STATUS_INVALID,
         "form: \"%.*s\" is none of seconds-or-date, milliseconds, seconds, duration, epoch and "
         "time",
         SLICE_ARG(name));
}

/* ---- lists of objects ---- */

typedef enum status read_item_fn(struct arena *arena, const struct cJSON *item, void *ret,
                                 struct error *err);

/* Of what a list consists. */
struct list_kind {
    const char *name;
    size_t size; /* of an element */
    read_item_fn *read;
};

static enum status read_list(struct arena *arena, const struct cJSON *object,
                             const struct list_kind *kind, const void **ret, unsigned *ret_count,
                             struct error *err)
{
    const struct cJSON *list = NULL;
    TRY(members_list(object, kind->name, &list, err));
    char *items = arena_alloc(arena, kind->size * json_count(list));
    unsigned count = 0;
    for (const struct cJSON *item = json_first(list); item != NULL; item = json_next(item)) {
        if (kind->read(arena, item, items + kind->size * count, err) != STATUS_OK) {
            error_prefix(err, "%s[%u]", kind->name, count);
            return STATUS_INVALID;
        }
        count++;
    }
    *ret = items;
    *ret_count = count;
    return STATUS_OK;
}

static enum status read_after(struct arena *arena, const struct cJSON *item, void *ret,
                              struct error *err)
{
    static const char *const known[] = {"header", "form", NULL};
    struct advice_after *after = ret;
    TRY(members_check(item, known, err));
    TRY(need_header(arena, item, "header", &after->header, &after->hash, err));
    return read_form(item, &after->form, err);
}

static enum status read_mark(struct arena *arena, const struct cJSON *item, void *ret,
                             struct error *err)
{
    static const char *const known[] = {"status", "header", "value", NULL};
    struct advice_mark *mark = ret;
    const struct cJSON *status = json_get(item, "status");
    uint64_t number = 0;
    TRY(members_check(item, known, err));
    if (status != NULL && (!json_uint(status, &number) || number < 400 || number > 599)) {
        FAIL(err, STATUS_INVALID, "status: a number from 400 to 599 is expected");
    }
    mark->status = (unsigned)number;
    TRY(read_header(arena, item, "header", &mark->header, &mark->hash, err));
    TRY(members_text(arena, item, "value", &mark->value, err));
    if (mark->header.len == 0 && (status == NULL || mark->value.len > 0)) {
        FAIL(err, STATUS_INVALID, "header: missing");
    }
    return STATUS_OK;
}

static enum status read_limit(struct arena *arena, const struct cJSON *item, void *ret,
                              struct error *err)
{
    static const char *const known[] = {"limit", "remaining", "reset", "form", NULL};
    struct advice_limit *limit = ret;
    TRY(members_check(item, known, err));
    TRY(need_header(arena, item, "limit", &limit->limit, &limit->limit_hash, err));
    TRY(need_header(arena, item, "remaining", &limit->remaining, &limit->remaining_hash, err));
    TRY(read_header(arena, item, "reset", &limit->reset, &limit->reset_hash, err));
    return limit->reset.len > 0 ? read_form(item, &limit->form, err) : STATUS_OK;
}

static enum status read_repeatable(struct arena *arena, const struct cJSON *item, void *ret,
                                   struct error *err)
{
    static const char *const known[] = {"method", "path", NULL};
    struct repeatable_call *call = ret;
    TRY(members_check(item, known, err));
    TRY(members_need_text(arena, item, "method", &call->method, err));
    TRY(members_need_text(arena, item, "path", &call->path, err));
    return check_path(arena, call->path, err);
}

static enum status read_domain(struct arena *arena, const struct cJSON *item, void *ret,
                               struct error *err)
{
    static const char *const known[] = {"path", "name", NULL};
    struct quota_domain *domain = ret;
    TRY(members_check(item, known, err));
    TRY(members_need_text(arena, item, "path", &domain->path, err));
    TRY(members_need_text(arena, item, "name", &domain->name, err));
    return check_path(arena, domain->path, err);
}

#define READ_LIST(arena, object, name, read, list, count, err)                                     \
    ({                                                                                             \
        const struct list_kind kind_ = {(name), sizeof(*(list)), (read)};                          \
        const void *items_ = NULL;                                                                 \
        enum status read_status_ = read_list((arena), (object), &kind_, &items_, &(count), (err)); \
        (list) = items_;                                                                           \
        read_status_;                                                                              \
    })

/* ---- objects ---- */

static enum status read_retry(struct arena *arena, const struct cJSON *object,
                              struct advice_facts *ret, struct error *err)
{
    static const char *const known[] = {
        "after",       "should_retry", "unprocessed", "throttled",
        "key_refused", "limits",       "docs_url",    NULL,
    };
    TRY(members_check(object, known, err));
    TRY(members_text(arena, object, "docs_url", &ret->docs_url, err));
    TRY(READ_LIST(arena, object, "after", read_after, ret->after, ret->after_count, err));
    TRY(read_header(arena, object, "should_retry", &ret->should_retry, &ret->should_retry_hash,
                    err));
    TRY(READ_LIST(arena, object, "unprocessed", read_mark, ret->unprocessed, ret->unprocessed_count,
                  err));
    TRY(READ_LIST(arena, object, "throttled", read_mark, ret->throttled, ret->throttled_count,
                  err));
    TRY(READ_LIST(arena, object, "key_refused", read_mark, ret->key_refused, ret->key_refused_count,
                  err));
    return READ_LIST(arena, object, "limits", read_limit, ret->limits, ret->limit_count, err);
}

static enum status read_place_of_key(struct arena *arena, const struct cJSON *object,
                                     struct idempotency_facts *ret, struct error *err)
{
    TRY(members_text(arena, object, "header", &ret->header, err));
    TRY(members_text(arena, object, "member", &ret->member, err));
    if ((ret->header.len > 0) == (ret->member.len > 0)) {
        FAIL(err, STATUS_INVALID, "header or member: one of them is expected");
    }
    if (ret->header.len > 0) {
        if (!http1_valid_token(ret->header)) {
            FAIL(err, STATUS_INVALID, "header: \"%.*s\" is no header name", SLICE_ARG(ret->header));
        }
        ret->header_hash = http1_name_hash(ret->header);
    }
    return STATUS_OK;
}

static enum status check_scopes(const struct idempotency_facts *facts, struct error *err)
{
    for (unsigned i = 0; i < facts->scope_count; i++) {
        if (!lower_case_name(facts->scopes[i])) {
            FAIL(err, STATUS_INVALID, "scopes[%u]: a header's name in lower case is expected", i);
        }
    }
    return STATUS_OK;
}

static enum status read_idempotency(struct arena *arena, const struct cJSON *object,
                                    struct idempotency_facts *ret, struct error *err)
{
    static const char *const known[] = {
        "header", "member", "methods", "paths", "max_length", "scopes", "docs_url", NULL,
    };
    uint64_t most = 0;
    TRY(members_check(object, known, err));
    TRY(members_text(arena, object, "docs_url", &ret->docs_url, err));
    TRY(read_place_of_key(arena, object, ret, err));
    TRY(members_texts(arena, object, "methods", &ret->methods, &ret->method_count, err));
    TRY(members_texts(arena, object, "paths", &ret->paths, &ret->path_count, err));
    TRY(members_texts(arena, object, "scopes", &ret->scopes, &ret->scope_count, err));
    if (ret->method_count == 0) {
        FAIL(err, STATUS_INVALID, "methods: missing or empty");
    }
    for (unsigned i = 0; i < ret->path_count; i++) {
        TRY(check_path(arena, ret->paths[i], err));
    }
    if (!json_uint(json_get(object, "max_length"), &most) || most < KEY_LENGTH_MIN ||
        most > IDEMPOTENCY_GIVEN_MAX) {
        FAIL(err, STATUS_INVALID, "max_length: a number from %d to %d is expected", KEY_LENGTH_MIN,
             IDEMPOTENCY_GIVEN_MAX);
    }
    ret->max_length = (unsigned)most;
    return check_scopes(ret, err);
}

enum status profile_read_retry(struct arena *arena, const struct cJSON *root, struct profile *ret,
                               struct error *err)
{
    const struct cJSON *retry = json_get(root, "retry");
    const struct cJSON *idempotency = json_get(root, "idempotency");
    if (retry != NULL && read_retry(arena, retry, &ret->advice, err) != STATUS_OK) {
        error_prefix(err, "retry");
        return STATUS_INVALID;
    }
    if (idempotency != NULL &&
        read_idempotency(arena, idempotency, &ret->idempotency, err) != STATUS_OK) {
        error_prefix(err, "idempotency");
        return STATUS_INVALID;
    }
    TRY(READ_LIST(arena, root, "repeatable", read_repeatable, ret->repeatable,
                  ret->repeatable_count, err));
    TRY(READ_LIST(arena, root, "domains", read_domain, ret->domains, ret->domain_count, err));
    TRY(members_flag(root, "domain_by_model", &ret->domain_by_model, err));
    TRY(members_text(arena, root, "health", &ret->health_path, err));
    if (ret->health_path.len > 0 && ret->health_path.ptr[0] != '/') {
        FAIL(err, STATUS_INVALID, "health: a path that begins with / is expected");
    }
    return STATUS_OK;
}

#include "routes/profile_calls.h"

#include "base/json.h"
#include "base/memory.h"
#include "routes/members.h"
#include "routes/object.h"
#include "routes/profile.h"
#include "routes/usage.h"

/* Calls of one profile share the tables. */
static enum status read_usage(struct arena *arena, const struct cJSON *item,
                              const struct profile *profile, struct call *call, struct error *err)
{
    struct slice name;
    TRY(json_text(item, "usage", &name, err));
    for (unsigned i = 0; i < profile->call_count && call->usage == NULL; i++) {
        const struct usage_table *known = profile->calls[i].usage;
        call->usage = slice_equal(known->name, name) ? known : NULL;
    }
    if (call->usage == NULL && usage_table_load(arena, name, &call->usage, err) != STATUS_OK) {
        error_prefix(err, "usage");
        return STATUS_INVALID;
    }
    call->dialect = call->usage->dialect;
    return STATUS_OK;
}

/* Who reads bodies has a bit for each of them. */
static enum status read_names(struct arena *arena, const struct cJSON *item, const char *name,
                              struct call_names *ret, struct error *err)
{
    TRY(members_texts(arena, item, name, &ret->names, &ret->count, err));
    if (ret->count > CALL_NAMES_MAX) {
        FAIL(err, STATUS_INVALID, "%s: more than %d names", name, CALL_NAMES_MAX);
    }
    return STATUS_OK;
}

static enum status read_tokens(const struct cJSON *value, const char *name, uint64_t *ret,
                               struct error *err)
{
    if (value != NULL && (!json_uint(value, ret) || *ret == 0 || *ret > USAGE_TOKENS_MAX)) {
        FAIL(err, STATUS_INVALID, "%s: a whole number of tokens is expected", name);
    }
    return STATUS_OK;
}

static enum status read_added(struct arena *arena, const struct cJSON *item, struct call *call,
                              struct error *err)
{
    const struct cJSON *object = json_get(item, "added_input");
    if (object == NULL) {
        return STATUS_OK;
    }
    if (!json_is_object(object) || json_count(object) > CALL_NAMES_MAX) {
        FAIL(err, STATUS_INVALID, "added_input: an object of at most %d members is expected",
             CALL_NAMES_MAX);
    }
    struct added_input *added = ARENA_ARRAY(arena, struct added_input, json_count(object));
    for (const struct cJSON *member = json_first(object); member != NULL;
         member = json_next(member)) {
        struct added_input *next = &added[call->added_input_count++];
        next->member = arena_copy(arena, slice_from(json_name(member)));
        TRY(read_tokens(member, "added_input", &next->tokens, err));
    }
    call->added_input = added;
    return STATUS_OK;
}

static enum status read_output(struct arena *arena, const struct cJSON *item, struct call *call,
                               struct error *err)
{
    struct call_names limits = {0};
    TRY(read_names(arena, item, "output_limits", &limits, err));
    call->output_limits = limits.names;
    call->output_limit_count = limits.count;
    TRY(read_tokens(json_get(item, "output_default"), "output_default", &call->output_default,
                    err));
    TRY(read_tokens(json_get(item, "output_each"), "output_each", &call->output_each, err));
    if (!call_has_output(call) && (call->output_default > 0 || call->choices.count > 0)) {
        FAIL(err, STATUS_INVALID, "output_limits: missing; a call without them has no output");
    }
    return STATUS_OK;
}

/* A path may say "{model}", and nothing else in braces. */
static bool path_names_model(struct slice path)
{
    struct slice rest = slice_skip(path, slice_find(path, '{'));
    return slice_starts_with(rest, SLICE("{model}"));
}

static enum status read_body(struct arena *arena, const struct cJSON *item, struct call *call,
                             struct error *err)
{
    struct slice form;
    TRY(members_text(arena, item, "body", &form, err));
    call->any_body = slice_equal(form, SLICE("any"));
    if (form.len > 0 && !call->any_body) {
        FAIL(err, STATUS_INVALID, "body: \"%.*s\" is not \"any\"", SLICE_ARG(form));
    }
    TRY(members_text(arena, item, "model", &call->model, err));
    if (call->model.len == 0 && !call->any_body && !path_names_model(call->path)) {
        FAIL(err, STATUS_INVALID, "model: missing");
    }
    return STATUS_OK;
}

/* "generationConfig": {"limit": "maxOutputTokens", "choices": "candidateCount"} */
static enum status read_nested(struct arena *arena, const struct cJSON *item, struct call *call,
                               struct error *err)
{
    static const char *const known[] = {"member", "limit", "choices", NULL};
    const struct cJSON *nested = json_get(item, "nested");
    if (nested == NULL) {
        return STATUS_OK;
    }
    TRY(members_check(nested, known, err));
    TRY(members_need_text(arena, nested, "member", &call->nested, err));
    TRY(members_need_text(arena, nested, "limit", &call->nested_limit, err));
    return members_text(arena, nested, "choices", &call->nested_choices, err);
}

static enum status read_texts(struct arena *arena, const struct cJSON *item, struct call *call,
                              struct error *err)
{
    TRY(members_texts(arena, item, "text_types", &call->text_types, &call->text_type_count, err));
    TRY(read_names(arena, item, "text_members", &call->text_members, err));
    TRY(read_names(arena, item, "references", &call->references, err));
    TRY(read_names(arena, item, "attachments", &call->attachments, err));
    return read_names(arena, item, "contents", &call->contents, err);
}

static enum status read_call(struct arena *arena, const struct cJSON *item,
                             const struct profile *profile, struct call *call, struct error *err)
{
    static const char *const known[] = {
        "method",   "path",           "usage",         "model",       "stream",       "choices",
        "batch",    "body",           "output_limits", "text_types",  "text_members", "references",
        "contents", "output_default", "output_each",   "added_input", "repeatable",   "streams",
        "nested",   "include_usage",  "attachments",   NULL,
    };
    TRY(members_check(item, known, err));
    TRY(members_need_text(arena, item, "method", &call->method, err));
    TRY(members_need_text(arena, item, "path", &call->path, err));
    TRY(read_body(arena, item, call, err));
    TRY(members_text(arena, item, "stream", &call->stream, err));
    TRY(members_text(arena, item, "batch", &call->batch, err));
    TRY(members_flag(item, "repeatable", &call->repeatable, err));
    TRY(members_text(arena, item, "streams", &call->streams, err));
    TRY(members_flag(item, "include_usage", &call->include_usage, err));
    TRY(read_usage(arena, item, profile, call, err));
    TRY(read_nested(arena, item, call, err));
    TRY(read_names(arena, item, "choices", &call->choices, err));
    TRY(read_output(arena, item, call, err));
    TRY(read_added(arena, item, call, err));
    TRY(read_texts(arena, item, call, err));
    if (call->path.ptr[0] != '/') {
        FAIL(err, STATUS_INVALID, "path: it begins with /");
    }
    return STATUS_OK;
}

/* Where no other path is the same call, what it makes is known beforehand. */
static void find_object(const struct profile *profile, struct call *call)
{
    call->object_known = slice_find(call->path, '*') == call->path.len &&
                         slice_find(call->path, '{') == call->path.len;
    call->object = call->object_known ? object_rule_find(profile, call->method, call->path) : NULL;
}

enum status profile_read_calls(struct arena *arena, const struct cJSON *root, struct profile *ret,
                               struct error *err)
{
    const struct cJSON *list = NULL;
    TRY(members_list(root, "calls", &list, err));
    struct call *calls = ARENA_ARRAY(arena, struct call, json_count(list));
    for (const struct cJSON *item = json_first(list); item != NULL; item = json_next(item)) {
        struct call *call = &calls[ret->call_count];
        ret->calls = calls;
        if (read_call(arena, item, ret, call, err) != STATUS_OK) {
            error_prefix(err, "calls[%u]", ret->call_count);
            return STATUS_INVALID;
        }
        if (call_find(ret, call->method, call->path) != NULL) {
            FAIL(err, STATUS_INVALID, "calls[%u]: the same method and path as one before it",
                 ret->call_count);
        }
        find_object(ret, call);
        ret->call_count++;
    }
    return STATUS_OK;
}

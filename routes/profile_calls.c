#include "routes/profile_calls.h"

#include "base/json.h"
#include "base/memory.h"
#include "routes/profile.h"

static const struct {
    const char *name;
    enum usage_dialect dialect;
} dialects[] = {
    {"openai-chat", USAGE_OPENAI_CHAT},
    {"openai-responses", USAGE_OPENAI_RESPONSES},
    {"anthropic", USAGE_ANTHROPIC},
};

static enum status copy_text(struct arena *arena, const struct cJSON *object, const char *name,
                             struct slice *ret, struct error *err)
{
    struct slice text;
    TRY(json_text(object, name, &text, err));
    *ret = arena_copy(arena, text);
    return STATUS_OK;
}

static enum status read_texts(struct arena *arena, const struct cJSON *object, const char *name,
                              const struct slice **ret, unsigned *ret_count, struct error *err)
{
    const struct cJSON *list = json_get(object, name);
    if (list != NULL && !json_is_array(list)) {
        FAIL(err, STATUS_INVALID, "%s: a list of texts is expected", name);
    }
    struct slice *texts = ARENA_ARRAY(arena, struct slice, json_count(list));
    for (const struct cJSON *item = json_first(list); item != NULL; item = json_next(item)) {
        struct slice text;
        if (!json_string(item, &text)) {
            FAIL(err, STATUS_INVALID, "%s: a list of texts is expected", name);
        }
        texts[(*ret_count)++] = arena_copy(arena, text);
    }
    *ret = texts;
    return STATUS_OK;
}

static enum status read_dialect(const struct cJSON *item, struct call *call, struct error *err)
{
    struct slice name;
    TRY(json_text(item, "usage", &name, err));
    for (size_t i = 0; i < sizeof(dialects) / sizeof(dialects[0]); i++) {
        if (slice_equal(name, slice_from(dialects[i].name))) {
            call->dialect = dialects[i].dialect;
            return STATUS_OK;
        }
    }
    FAIL(err, STATUS_INVALID, "usage: \"%.*s\" is no dialect", SLICE_ARG(name));
}

static enum status check_members(const struct cJSON *item, struct error *err)
{
    static const char *const known[] = {"method",     "path",    "usage",         "model",
                                        "stream",     "choices", "output_limits", "text_types",
                                        "references", NULL};
    if (!json_is_object(item)) {
        FAIL(err, STATUS_INVALID, "an object is expected");
    }
    for (const struct cJSON *member = json_first(item); member != NULL;
         member = json_next(member)) {
        const char *const *name = known;
        while (*name != NULL && strcmp(*name, json_name(member)) != 0) {
            name++;
        }
        if (*name == NULL) {
            FAIL(err, STATUS_INVALID, "%s: unknown member", json_name(member));
        }
    }
    return STATUS_OK;
}

static enum status read_call(struct arena *arena, const struct cJSON *item, struct call *call,
                             struct error *err)
{
    TRY(check_members(item, err));
    TRY(copy_text(arena, item, "method", &call->method, err));
    TRY(copy_text(arena, item, "path", &call->path, err));
    TRY(copy_text(arena, item, "model", &call->model, err));
    TRY(copy_text(arena, item, "stream", &call->stream, err));
    TRY(copy_text(arena, item, "choices", &call->choices, err));
    TRY(read_dialect(item, call, err));
    TRY(read_texts(arena, item, "output_limits", &call->output_limits, &call->output_limit_count,
                   err));
    TRY(read_texts(arena, item, "text_types", &call->text_types, &call->text_type_count, err));
    TRY(read_texts(arena, item, "references", &call->references, &call->reference_count, err));
    if (call->method.len == 0 || call->path.len == 0 || call->path.ptr[0] != '/' ||
        call->model.len == 0) {
        FAIL(err, STATUS_INVALID, "method, model and a path that begins with / are required");
    }
    return STATUS_OK;
}

enum status profile_read_calls(struct arena *arena, const struct cJSON *root, struct profile *ret,
                               struct error *err)
{
    const struct cJSON *list = json_get(root, "calls");
    if (list != NULL && !json_is_array(list)) {
        FAIL(err, STATUS_INVALID, "calls: a list is expected");
    }
    struct call *calls = ARENA_ARRAY(arena, struct call, json_count(list));
    for (const struct cJSON *item = json_first(list); item != NULL; item = json_next(item)) {
        if (read_call(arena, item, &calls[ret->call_count], err) != STATUS_OK) {
            error_prefix(err, "calls[%u]", ret->call_count);
            return STATUS_INVALID;
        }
        ret->call_count++;
    }
    ret->calls = calls;
    return STATUS_OK;
}

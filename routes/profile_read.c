/*
 * profile_read: one profile from its JSON file, whose form is described in profiles/README.md. A
 * member that is not known, or of another kind than it should be, is an error.
 */
#include "base/buffer.h"
#include "base/http1.h"
#include "base/json.h"
#include "base/memory.h"
#include "routes/members.h"
#include "routes/profile.h"
#include "routes/profile_calls.h"
#include "routes/profile_retry.h"

enum { ERROR_BODY_MAX = 4096 };

static const struct json_limits limits = {
    .bytes = (size_t)64 * 1024,
    .depth = 16,
    .names = JSON_NAMES_ONCE,
};

static enum status need_header_name(struct arena *arena, const struct cJSON *object,
                                    struct slice *ret, struct error *err)
{
    TRY(members_need_text(arena, object, "name", ret, err));
    if (!http1_valid_token(*ret)) {
        FAIL(err, STATUS_INVALID, "name: \"%.*s\" is no header name", SLICE_ARG(*ret));
    }
    return STATUS_OK;
}

static enum status split_template(struct slice value, struct injection *injection,
                                  struct error *err)
{
    const struct slice mark = SLICE("{secret}");
    for (size_t i = 0; i + mark.len <= value.len; i++) {
        if (slice_starts_with(slice_skip(value, i), mark)) {
            injection->before = slice_make(value.ptr, i);
            injection->after = slice_skip(value, i + mark.len);
            return STATUS_OK;
        }
    }
    FAIL(err, STATUS_INVALID, "\"%.*s\" has no place for the secret; write {secret} into it",
         SLICE_ARG(value));
}

static enum status read_credential(struct arena *arena, const struct cJSON *value,
                                   struct injection *ret, struct error *err)
{
    static const char *const known[] = {"in", "name", "value", NULL};
    static const struct {
        struct slice text;
        enum injection_place place;
    } places[] = {
        {SLICE_INIT("header"), INJECT_HEADER},
        {SLICE_INIT("query"), INJECT_QUERY},
        {SLICE_INIT("path"), INJECT_PATH},
        {SLICE_INIT("basic"), INJECT_BASIC},
    };
    struct slice place;
    struct slice template;

    TRY(members_check(value, known, err));
    TRY(members_need_text(arena, value, "in", &place, err));
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (slice_equal(place, places[i].text)) {
            ret->place = places[i].place;
        }
    }
    switch (ret->place) {
    case INJECT_NONE:
        FAIL(err, STATUS_INVALID, "in: \"%.*s\" is none of header, query, path and basic",
             SLICE_ARG(place));
    case INJECT_HEADER:
        TRY(need_header_name(arena, value, &ret->name, err));
        break;
    case INJECT_QUERY:
        TRY(members_need_text(arena, value, "name", &ret->name, err));
        break;
    case INJECT_PATH:
        break;
    case INJECT_BASIC:
        ret->name = SLICE("Authorization");
        break;
    }
    TRY(members_text(arena, value, "value", &template, err));
    return split_template(template.len == 0 ? SLICE("{secret}") : template, ret, err);
}

static void lower(struct arena *arena, struct slice *text)
{
    char *copy = arena_reserve(arena, text->len);
    for (size_t i = 0; i < text->len; i++) {
        copy[i] = ascii_lower(text->ptr[i]);
    }
    text->ptr = copy;
}

static enum status read_basic_slot(const struct cJSON *item, struct slot *ret, struct error *err)
{
    struct slice part;
    TRY(json_text(item, "part", &part, err));
    if (!slice_equal(part, SLICE("user")) && !slice_equal(part, SLICE("password"))) {
        FAIL(err, STATUS_INVALID, "part: user or password is expected");
    }
    ret->kind = slice_equal(part, SLICE("user")) ? SLOT_BASIC_USER : SLOT_BASIC_PASSWORD;
    ret->name = SLICE("authorization");
    return STATUS_OK;
}

static enum status read_slot(struct arena *arena, const struct cJSON *item, struct slot *ret,
                             struct error *err)
{
    static const char *const known[] = {"in", "name", "prefix", "part", NULL};
    struct slice place;
    TRY(members_check(item, known, err));
    TRY(members_need_text(arena, item, "in", &place, err));
    if (slice_equal(place, SLICE("header"))) {
        ret->kind = SLOT_HEADER;
        TRY(need_header_name(arena, item, &ret->name, err));
        lower(arena, &ret->name);
        return members_text(arena, item, "prefix", &ret->prefix, err);
    }
    if (slice_equal(place, SLICE("query"))) {
        ret->kind = SLOT_QUERY;
        return members_need_text(arena, item, "name", &ret->name, err);
    }
    if (slice_equal(place, SLICE("basic"))) {
        return read_basic_slot(item, ret, err);
    }
    FAIL(err, STATUS_INVALID, "in: \"%.*s\" is none of header, basic and query", SLICE_ARG(place));
}

static enum status read_slots(struct arena *arena, const struct cJSON *root, struct profile *ret,
                              struct error *err)
{
    const struct cJSON *list = NULL;
    TRY(members_list(root, "slots", &list, err));
    struct slot *slots = ARENA_ARRAY(arena, struct slot, json_count(list));
    for (const struct cJSON *item = json_first(list); item != NULL; item = json_next(item)) {
        if (read_slot(arena, item, &slots[ret->slot_count], err) != STATUS_OK) {
            error_prefix(err, "slots[%u]", ret->slot_count);
            return STATUS_INVALID;
        }
        slots[ret->slot_count].hash = http1_name_hash(slots[ret->slot_count].name);
        ret->slot_count++;
    }
    ret->slots = slots;
    return STATUS_OK;
}

static enum status read_headers(struct arena *arena, const struct cJSON *root, struct profile *ret,
                                struct error *err)
{
    const struct cJSON *object = json_get(root, "headers");
    unsigned count = json_count(object);
    if ((object != NULL && !json_is_object(object)) || count > HEADER_DEFAULTS_MAX) {
        FAIL(err, STATUS_INVALID, "headers: an object of at most %d texts is expected",
             HEADER_DEFAULTS_MAX);
    }
    struct header_setting *headers = ARENA_ARRAY(arena, struct header_setting, count);
    for (const struct cJSON *member = json_first(object); member != NULL;
         member = json_next(member)) {
        struct slice name = slice_from(json_name(member));
        struct slice value;
        if (!json_string(member, &value) || !http1_valid_token(name) ||
            !http1_valid_field_value(value) || header_name_reserved(name)) {
            FAIL(err, STATUS_INVALID, "headers: \"%.*s\" cannot be sent as a header",
                 SLICE_ARG(name));
        }
        headers[ret->header_count++] =
            (struct header_setting){arena_copy(arena, name), arena_copy(arena, value)};
    }
    ret->headers = headers;
    return STATUS_OK;
}

static enum status read_error_template(struct arena *arena, const struct cJSON *value,
                                       struct error_template *ret, struct error *err)
{
    static const char *const known[] = {"content_type", "body", NULL};
    const struct cJSON *body = json_get(value, "body");
    struct buffer text CLEANUP(buffer_fini);
    buffer_init(&text, ERROR_BODY_MAX);

    TRY(members_check(value, known, err));
    TRY(members_need_text(arena, value, "content_type", &ret->content_type, err));
    if (json_string(body, &ret->body)) {
        ret->body = arena_copy(arena, ret->body);
        return STATUS_OK;
    }
    if (body == NULL || json_write(body, &text) != STATUS_OK) {
        FAIL(err, STATUS_INVALID, "body: missing, or longer than %d bytes", ERROR_BODY_MAX);
    }
    ret->body = arena_copy(arena, buffer_bytes(&text));
    return STATUS_OK;
}

static enum status read_error_type(struct arena *arena, const struct cJSON *item,
                                   struct error_type *ret, struct error *err)
{
    static const char *const known[] = {"status", "error", "type", "code", NULL};
    const struct cJSON *status = json_get(item, "status");
    uint64_t number = 0;
    TRY(members_check(item, known, err));
    if (status != NULL && (!json_uint(status, &number) || number < 400 || number > 599)) {
        FAIL(err, STATUS_INVALID, "status: a number from 400 to 599 is expected");
    }
    if (status == NULL && json_next(item) != NULL) {
        FAIL(err, STATUS_INVALID, "the one without a status must be the last");
    }
    ret->status = (unsigned)number;
    TRY(members_text(arena, item, "error", &ret->error, err));
    TRY(members_need_text(arena, item, "type", &ret->type, err));
    return members_text(arena, item, "code", &ret->code, err);
}

static enum status read_error_types(struct arena *arena, const struct cJSON *root,
                                    struct profile *ret, struct error *err)
{
    const struct cJSON *list = NULL;
    TRY(members_list(root, "error_types", &list, err));
    struct error_type *types = ARENA_ARRAY(arena, struct error_type, json_count(list));
    for (const struct cJSON *item = json_first(list); item != NULL; item = json_next(item)) {
        if (read_error_type(arena, item, &types[ret->error_type_count], err) != STATUS_OK) {
            error_prefix(err, "error_types[%u]", ret->error_type_count);
            return STATUS_INVALID;
        }
        ret->error_type_count++;
    }
    ret->error_types = types;
    return STATUS_OK;
}

static enum status read_texts(struct arena *arena, const struct cJSON *root, struct profile *ret,
                              struct error *err)
{
    struct slice text;
    TRY(members_need_text(arena, root, "title", &text, err));
    ret->title = text.ptr;
    TRY(members_text(arena, root, "base_url", &ret->base_url, err));
    TRY(members_text(arena, root, "docs_url", &ret->docs_url, err));
    TRY(members_text(arena, root, "sdk_base_suffix", &ret->sdk_base_suffix, err));
    TRY(members_text(arena, root, "base_url_env", &text, err));
    ret->base_url_env = text.len == 0 ? NULL : text.ptr;
    if (ret->base_url.len > 0 && (!slice_starts_with(ret->base_url, SLICE("https://")) ||
                                  ret->base_url.ptr[ret->base_url.len - 1] == '/')) {
        FAIL(err, STATUS_INVALID, "base_url: https:// without a / at the end is expected");
    }
    return STATUS_OK;
}

static enum status read_root(struct arena *arena, const struct cJSON *root, struct profile *ret,
                             struct error *err)
{
    static const char *const known[] = {
        "title",           "base_url",        "docs_url",    "credential", "slots",
        "headers",         "error",           "error_types", "key_env",    "base_url_env",
        "sdk_base_suffix", "calls",           "repeatable",  "retry",      "idempotency",
        "domains",         "domain_by_model", "health",      "objects",    NULL,
    };
    const struct cJSON *credential = json_get(root, "credential");
    const struct cJSON *error = json_get(root, "error");

    TRY(members_check(root, known, err));
    TRY(read_texts(arena, root, ret, err));
    if (credential != NULL &&
        read_credential(arena, credential, &ret->injection, err) != STATUS_OK) {
        error_prefix(err, "credential");
        return STATUS_INVALID;
    }
    if (error != NULL && read_error_template(arena, error, &ret->error, err) != STATUS_OK) {
        error_prefix(err, "error");
        return STATUS_INVALID;
    }
    TRY(read_slots(arena, root, ret, err));
    TRY(read_headers(arena, root, ret, err));
    TRY(read_error_types(arena, root, ret, err));
    TRY(profile_read_calls(arena, root, ret, err));
    TRY(profile_read_objects(arena, root, ret, err));
    TRY(profile_read_retry(arena, root, ret, err));
    return members_texts(arena, root, "key_env", &ret->key_env, &ret->key_env_count, err);
}

enum status profile_read(struct arena *arena, struct slice name, struct slice json,
                         struct profile *ret, struct error *err)
{
    struct cJSON *root CLEANUP(json_free_at) = NULL;
    struct profile profile = {.name = arena_copy(arena, name).ptr};
    enum status status = json_parse(json, &limits, &root, err);
    if (status == STATUS_OK) {
        status = read_root(arena, root, &profile, err);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "profile %s", profile.name);
        return status;
    }
    *ret = profile;
    return STATUS_OK;
}

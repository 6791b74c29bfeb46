/*
 * profile_read: one profile from its JSON file, whose form is described in profiles/README.md. A
 * member that is not known, or of another kind than it should be, is an error.
 */
#include "base/buffer.h"
#include "base/http1.h"
#include "base/json.h"
#include "base/memory.h"
#include "routes/hosts.h"
#include "routes/members.h"
#include "routes/profile.h"
#include "routes/profile_calls.h"
#include "routes/profile_guide.h"
#include "routes/profile_places.h"
#include "routes/profile_retry.h"
#include "routes/profile_token.h"

enum { ERROR_BODY_MAX = 4096 };

static const struct json_limits limits = {
    .bytes = PROFILE_MAX_BYTES,
    .depth = 16,
    .names = JSON_NAMES_ONCE,
};

static enum status read_sign(struct arena *arena, const struct cJSON *value,
                             struct profile_sign *ret, struct error *err)
{
    static const char *const known[] = {"scheme", "service", "base_url", NULL};
    TRY(members_check(value, known, err));
    TRY(members_need_text(arena, value, "scheme", &ret->scheme, err));
    TRY(members_text(arena, value, "service", &ret->service, err));
    return members_text(arena, value, "base_url", &ret->base_url, err);
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

static enum status read_hosts(struct arena *arena, const struct cJSON *root, struct profile *ret,
                              struct error *err)
{
    TRY(members_texts(arena, root, "hosts", &ret->hosts, &ret->host_count, err));
    if (ret->host_count > HOSTS_MAX || (ret->host_count > 0 && ret->base_url.len > 0)) {
        FAIL(err, STATUS_INVALID, "hosts: at most %d are expected, and no base_url", HOSTS_MAX);
    }
    for (unsigned i = 0; i < ret->host_count; i++) {
        if (hosts_check(ret->hosts[i], err) != STATUS_OK) {
            error_prefix(err, "hosts[%u]", i);
            return STATUS_INVALID;
        }
    }
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
    TRY(members_text(arena, root, "http", &text, err));
    if (text.len > 0 && !slice_equal(text, SLICE("1.1")) && !slice_equal(text, SLICE("2"))) {
        FAIL(err, STATUS_INVALID, "http: \"1.1\" or \"2\" is expected");
    }
    ret->http2 = slice_equal(text, SLICE("2"));
    TRY(members_text(arena, root, "sdk_base_suffix", &ret->sdk_base_suffix, err));
    TRY(members_text(arena, root, "base_url_env", &text, err));
    ret->base_url_env = text.len == 0 ? NULL : text.ptr;
    if (ret->base_url.len > 0 && (!slice_starts_with(ret->base_url, SLICE("https://")) ||
                                  ret->base_url.ptr[ret->base_url.len - 1] == '/')) {
        FAIL(err, STATUS_INVALID, "base_url: https:// without a / at the end is expected");
    }
    return read_hosts(arena, root, ret, err);
}

static enum status read_root(struct arena *arena, const struct cJSON *root, struct profile *ret,
                             struct error *err)
{
    /* clang-format off */
    static const char *const known[] = {
        "title",
        "base_url",
        "hosts",
        "docs_url",
        "http",
        "credential",
        "slots",
        "headers",
        "error",
        "error_types",
        "key_env",
        "base_url_env",
        "sdk_base_suffix",
        "calls",
        "repeatable",
        "retry",
        "idempotency",
        "domains",
        "domain_by_model",
        "health",
        "objects",
        "token",
        "sign",
        "user_token",
        "base_url_form",
        "secret",
        "sdk",
        "notes",
        "replaces",
        "$schema",
        NULL,
    };
    /* clang-format on */
    const struct cJSON *error = json_get(root, "error");
    const struct cJSON *sign = json_get(root, "sign");

    TRY(members_check(root, known, err));
    TRY(read_texts(arena, root, ret, err));
    if (sign != NULL && read_sign(arena, sign, &ret->sign, err) != STATUS_OK) {
        error_prefix(err, "sign");
        return STATUS_INVALID;
    }
    TRY(profile_read_guide(arena, root, ret, err));
    if (error != NULL && read_error_template(arena, error, &ret->error, err) != STATUS_OK) {
        error_prefix(err, "error");
        return STATUS_INVALID;
    }
    TRY(profile_read_places(arena, root, ret, err));
    TRY(profile_read_token(arena, root, ret, err));
    TRY(read_headers(arena, root, ret, err));
    TRY(read_error_types(arena, root, ret, err));
    TRY(profile_read_objects(arena, root, ret, err)); /* calls say what they make */
    TRY(profile_read_calls(arena, root, ret, err));
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

#include "routes/mapping.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "base/json_edit.h"
#include "routes/profile.h"
#include "routes/route.h"
#include "routes/target.h"

/* What OpenAI and Azure OpenAI both have. */
struct twin {
    struct slice call;   /* behind OpenAI's /v1, and Azure's /openai/v1 */
    bool has_deployment; /* and behind Azure's /openai/deployments/DEPLOYMENT, too */
};

static const struct twin twins[] = {
    {SLICE_INIT("/chat/completions"), true},
    {SLICE_INIT("/completions"), true},
    {SLICE_INIT("/embeddings"), true},
    {SLICE_INIT("/responses"), false},
};

static const struct slice openai_prefix = SLICE_INIT("/v1");
static const struct slice azure_prefix = SLICE_INIT("/openai/v1");
static const struct slice dated_prefix = SLICE_INIT("/openai/deployments/");

static bool is(const struct profile *profile, struct slice name)
{
    return slice_equal(slice_from(profile->name), name);
}

static bool is_openai(const struct profile *profile)
{
    return is(profile, SLICE("openai"));
}

static bool is_azure(const struct profile *profile)
{
    return is(profile, SLICE("azure-openai"));
}

static bool is_same(const struct profile *from, const struct profile *to)
{
    return is(from, slice_from(to->name)); /* by name: they may be of two snapshots */
}

bool mapping_between(const struct profile *from, const struct profile *to)
{
    return is_same(from, to) || (is_openai(from) && is_azure(to)) ||
           (is_azure(from) && is_openai(to));
}

/* ---- paths ---- */

static const struct twin *find_twin(struct slice call)
{
    for (size_t i = 0; i < sizeof(twins) / sizeof(twins[0]); i++) {
        if (slice_equal(twins[i].call, call)) {
            return &twins[i];
        }
    }
    return NULL;
}

/* Deployments have letters, digits, '-', '_' and '.'; what is encoded may be anything. */
static bool is_deployment(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_unreserved(text.ptr[i])) {
            return false;
        }
    }
    return text.len > 0;
}

/* Splits a dated path: "/openai/deployments/" DEPLOYMENT "/chat/completions". */
static bool split_dated(struct slice path, struct slice *ret_deployment, struct slice *ret_call)
{
    struct slice rest = slice_skip(path, dated_prefix.len);
    if (!slice_starts_with(path, dated_prefix)) {
        return false;
    }
    struct slice deployment = slice_make(rest.ptr, slice_find(rest, '/'));
    *ret_deployment = deployment;
    *ret_call = slice_skip(rest, deployment.len);
    return is_deployment(deployment);
}

bool mapping_deployment(const struct route *from, struct slice path, struct slice *ret_model)
{
    struct slice call;
    struct slice deployment;
    bool found = is_azure(from->profile) && split_dated(path, &deployment, &call);
    if (found) {
        *ret_model = deployment;
    }
    return found;
}

/* The call behind the profile's prefix, whatever form it has; NULL: none that both have. */
static const struct twin *read_call(const struct route *from, struct slice path)
{
    struct slice call;
    struct slice deployment;
    struct slice prefix = is_azure(from->profile) ? azure_prefix : openai_prefix;
    if (is_azure(from->profile) && split_dated(path, &deployment, &call)) {
        const struct twin *twin = find_twin(call);
        return twin != NULL && twin->has_deployment ? twin : NULL;
    }
    return slice_starts_with(path, prefix) ? find_twin(slice_skip(path, prefix.len)) : NULL;
}

/* Azure's api-version says which form of Azure's calls is meant, so it says nothing to others. */
static enum status write_query(const struct route *from, struct slice query, struct buffer *out)
{
    static const struct slice version[] = {SLICE_INIT("api-version")};
    TRY(target_write_query(query, version, is_azure(from->profile) ? 1 : 0, out));
    buffer_consume(out, buffer_len(out) > 0 ? SLICE("?").len : 0);
    return STATUS_OK;
}

/* Deployments of one name may be called otherwise at the other route. */
static enum status write_same(const struct route *from, const struct route *to, struct slice path,
                              struct buffer *out)
{
    struct slice deployment;
    struct slice model;
    if (!mapping_deployment(from, path, &deployment) ||
        !mapping_renames(from, to, deployment, &model)) {
        return buffer_append(out, path);
    }
    TRY(buffer_append(out, dated_prefix));
    TRY(encode_percent(model, out));
    return buffer_append(out, slice_skip(path, dated_prefix.len + deployment.len));
}

enum status mapping_path(const struct route *from, const struct route *to, struct slice path,
                         struct slice query, struct buffer *out_path, struct buffer *out_query)
{
    if (is_same(from->profile, to->profile)) {
        TRY(write_same(from, to, path, out_path));
        return buffer_append(out_query, query);
    }
    const struct twin *twin =
        mapping_between(from->profile, to->profile) ? read_call(from, path) : NULL;
    if (twin == NULL) {
        return STATUS_INVALID;
    }
    TRY(buffer_append(out_path, is_azure(to->profile) ? azure_prefix : openai_prefix));
    TRY(buffer_append(out_path, twin->call));
    return write_query(from, query, out_query);
}

/* ---- models ---- */

static const struct model_alias *find_public(const struct route *route, struct slice model)
{
    for (unsigned i = 0; i < route->model_count; i++) {
        if (slice_equal(route->models[i].model, model)) {
            return &route->models[i];
        }
    }
    return NULL;
}

static struct slice public_name(const struct route *route, struct slice model)
{
    for (unsigned i = 0; find_public(route, model) == NULL && i < route->model_count; i++) {
        if (slice_equal(route->models[i].upstream, model)) {
            return route->models[i].model;
        }
    }
    return model;
}

bool mapping_renames(const struct route *from, const struct route *to, struct slice model,
                     struct slice *ret_model)
{
    struct slice name = from == NULL ? model : public_name(from, model);
    const struct model_alias *alias = find_public(to, name);
    *ret_model = alias != NULL ? alias->upstream : name;
    return !slice_equal(*ret_model, model);
}

enum status mapping_body(struct slice body, struct slice model, struct buffer *out,
                         struct error *err)
{
    struct buffer text CLEANUP(buffer_fini);
    buffer_init(&text, buffer_room(out));
    TRY(encode_json_string(model, &text));
    enum status status = json_member_put(body, SLICE("model"), buffer_bytes(&text), out, err);
    if (status == STATUS_INVALID && err != NULL) {
        error_prefix(err, "the body");
    }
    return status;
}

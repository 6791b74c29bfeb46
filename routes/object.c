#include "routes/object.h"

#include "base/http1.h"
#include "base/json.h"
#include "base/memory.h"
#include "routes/allow.h"
#include "routes/members.h"
#include "routes/profile.h"

/* ---- which one ---- */

static bool method_fits(const struct object_rule *rule, struct slice method)
{
    for (unsigned i = 0; i < rule->method_count; i++) {
        if (slice_equal(rule->methods[i], method)) {
            return true;
        }
    }
    return rule->method_count == 0 && !slice_equal(method, SLICE("GET")) &&
           !slice_equal(method, SLICE("HEAD")) && !slice_equal(method, SLICE("OPTIONS"));
}

static bool path_fits(const struct object_rule *rule, struct slice method, struct slice path)
{
    for (unsigned i = 0; i < rule->path_count; i++) {
        const struct allow_rule call = {.path = rule->paths[i]};
        if (allow_matches(&call, method, path)) {
            return true;
        }
    }
    return rule->path_count == 0;
}

const struct object_rule *object_rule_find(const struct profile *profile, struct slice method,
                                           struct slice path)
{
    for (unsigned i = 0; i < profile->object_count; i++) {
        const struct object_rule *rule = &profile->objects[i];
        if (method_fits(rule, method) && path_fits(rule, method, path)) {
            bool nothing = rule->place_count == 0 && rule->id_header.len == 0;
            return nothing ? NULL : rule;
        }
    }
    return NULL;
}

/* ---- reading ---- */

/* "/amount_money/amount". Names with a ~ or a / in them are not among those of today's providers.
 */
static enum status read_pointer(struct slice text, struct object_place *ret, struct error *err)
{
    bool sound = text.len > 1 && text.ptr[0] == '/' && memchr(text.ptr, '~', text.len) == NULL;
    while (sound && text.len > 0) {
        struct slice step = slice_skip(text, 1);
        step.len = slice_find(step, '/');
        sound = step.len > 0 && ret->step_count < OBJECT_STEPS_MAX;
        if (sound) {
            ret->steps[ret->step_count++] = step;
            text = slice_skip(text, 1 + step.len);
        }
    }
    if (!sound) {
        FAIL(err, STATUS_INVALID, "a pointer such as \"/id\" is expected, of up to %d steps",
             OBJECT_STEPS_MAX);
    }
    return STATUS_OK;
}

static enum status add_place(struct arena *arena, struct slice text, enum object_field field,
                             uint8_t rank, struct object_rule *rule, struct error *err)
{
    if (rule->place_count == OBJECT_PLACES_MAX) {
        FAIL(err, STATUS_INVALID, "more than %d pointers", OBJECT_PLACES_MAX);
    }
    struct object_place *place = &rule->places[rule->place_count++];
    place->field = field;
    place->rank = rank;
    return read_pointer(arena_copy(arena, text), place, err);
}

/* A pointer, or a list of them; absent: none. */
static enum status read_field(struct arena *arena, const struct cJSON *item, const char *name,
                              enum object_field field, struct object_rule *rule, struct error *err)
{
    struct slice text;
    const struct cJSON *value = json_get(item, name);
    const struct slice *texts = NULL;
    unsigned count = 0;
    if (json_string(value, &text)) {
        return add_place(arena, text, field, 0, rule, err);
    }
    TRY(members_texts(arena, item, name, &texts, &count, err));
    for (unsigned i = 0; i < count; i++) {
        TRY(add_place(arena, texts[i], field, (uint8_t)i, rule, err));
    }
    return STATUS_OK;
}

/* What does not begin with a / is the type itself. */
static enum status read_type(struct arena *arena, const struct cJSON *item,
                             struct object_rule *rule, struct error *err)
{
    struct slice text;
    if (json_string(json_get(item, "type"), &text) && text.len > 0 && text.ptr[0] != '/') {
        rule->type = arena_copy(arena, text);
        return STATUS_OK;
    }
    return read_field(arena, item, "type", OBJECT_TYPE, rule, err);
}

static enum status read_header(struct arena *arena, const struct cJSON *item,
                               struct object_rule *rule, struct error *err)
{
    TRY(members_text(arena, item, "id_header", &rule->id_header, err));
    for (size_t i = 0; i < rule->id_header.len; i++) {
        if (rule->id_header.ptr[i] != ascii_lower(rule->id_header.ptr[i])) {
            FAIL(err, STATUS_INVALID, "id_header: lower case is expected");
        }
    }
    if (rule->id_header.len > 0 && !http1_valid_token(rule->id_header)) {
        FAIL(err, STATUS_INVALID, "id_header: it is no header name");
    }
    return STATUS_OK;
}

static enum status read_rule(struct arena *arena, const struct cJSON *item,
                             struct object_rule *rule, struct error *err)
{
    static const char *const known[] = {"methods",  "paths",  "id",     "id_header", "type",
                                        "currency", "amount", "status", NULL};
    TRY(members_check(item, known, err));
    TRY(members_texts(arena, item, "methods", &rule->methods, &rule->method_count, err));
    TRY(members_texts(arena, item, "paths", &rule->paths, &rule->path_count, err));
    TRY(read_header(arena, item, rule, err));
    TRY(read_field(arena, item, "id", OBJECT_ID, rule, err));
    if (rule->place_count > 0 && rule->id_header.len > 0) {
        FAIL(err, STATUS_INVALID, "either id or id_header is expected");
    }
    bool nothing = rule->place_count == 0 && rule->id_header.len == 0;
    TRY(read_type(arena, item, rule, err));
    TRY(read_field(arena, item, "status", OBJECT_STATUS, rule, err));
    TRY(read_field(arena, item, "currency", OBJECT_CURRENCY, rule, err));
    TRY(read_field(arena, item, "amount", OBJECT_AMOUNT, rule, err));
    if (nothing && (rule->place_count > 0 || rule->type.len > 0 || rule->path_count == 0)) {
        FAIL(err, STATUS_INVALID,
             "without id and id_header it says of paths that they make nothing");
    }
    for (unsigned i = 0; i < rule->path_count; i++) {
        if (!slice_starts_with(rule->paths[i], SLICE("/"))) {
            FAIL(err, STATUS_INVALID, "paths: each begins with /");
        }
    }
    return STATUS_OK;
}

enum status profile_read_objects(struct arena *arena, const struct cJSON *root, struct profile *ret,
                                 struct error *err)
{
    const struct cJSON *list = NULL;
    TRY(members_list(root, "objects", &list, err));
    struct object_rule *rules = ARENA_ARRAY(arena, struct object_rule, json_count(list));
    for (const struct cJSON *item = json_first(list); item != NULL; item = json_next(item)) {
        if (read_rule(arena, item, &rules[ret->object_count], err) != STATUS_OK) {
            error_prefix(err, "objects[%u]", ret->object_count);
            return STATUS_INVALID;
        }
        ret->object_count++;
    }
    ret->objects = rules;
    return STATUS_OK;
}

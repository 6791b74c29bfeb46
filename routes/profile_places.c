#include "routes/profile_places.h"

#include "base/http1.h"
#include "base/json.h"
#include "base/memory.h"
#include "routes/members.h"
#include "routes/profile.h"

static enum status need_header_name(struct arena *arena, const struct cJSON *object,
                                    struct slice *ret, struct error *err)
{
    TRY(members_need_text(arena, object, "name", ret, err));
    if (!http1_valid_token(*ret)) {
        FAIL(err, STATUS_INVALID, "name: \"%.*s\" is no header name", SLICE_ARG(*ret));
    }
    return STATUS_OK;
}

/* ---- where the credential goes ---- */

static enum status read_injected_name(struct arena *arena, const struct cJSON *value,
                                      struct injection *ret, struct error *err)
{
    switch (ret->place) {
    case INJECT_HEADER:
        return need_header_name(arena, value, &ret->name, err);
    case INJECT_QUERY:
    case INJECT_BODY:
        return members_need_text(arena, value, "name", &ret->name, err);
    case INJECT_PATH:
        return STATUS_OK;
    case INJECT_BASIC:
        ret->name = SLICE("Authorization");
        return STATUS_OK;
    }
    return STATUS_INVALID;
}

static enum status read_injection(struct arena *arena, const struct cJSON *value,
                                  struct injection *ret, struct error *err)
{
    static const char *const known[] = {"in", "name", "value", NULL};
    struct slice place;
    struct slice template;

    TRY(members_check(value, known, err));
    TRY(members_need_text(arena, value, "in", &place, err));
    if (!injection_place_read(place, &ret->place)) {
        FAIL(err, STATUS_INVALID, "in: \"%.*s\" is none of header, query, path, basic and body",
             SLICE_ARG(place));
    }
    TRY(read_injected_name(arena, value, ret, err));
    TRY(members_text(arena, value, "value", &template, err));
    if (injection_template_read(template.len == 0 ? SLICE("{secret}") : template, ret, err) !=
            STATUS_OK ||
        injection_literals_check(ret, err) != STATUS_OK) {
        error_prefix(err, "value");
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static enum status read_credential(struct arena *arena, const struct cJSON *root,
                                   struct profile *ret, struct error *err)
{
    const struct cJSON *value = json_get(root, "credential");
    struct injection *list = ARENA_ARRAY(arena, struct injection, INJECTIONS_MAX);
    unsigned count = 0;
    if (value == NULL) {
        return STATUS_OK;
    }
    if (!json_is_array(value)) {
        if (read_injection(arena, value, list, err) != STATUS_OK) {
            error_prefix(err, "credential");
            return STATUS_INVALID;
        }
        ret->injections = injections_of(arena, list, 1);
        return STATUS_OK;
    }
    if (json_count(value) == 0 || json_count(value) > INJECTIONS_MAX) {
        FAIL(err, STATUS_INVALID, "credential: a list has one to %d places", INJECTIONS_MAX);
    }
    for (const struct cJSON *item = json_first(value); item != NULL; item = json_next(item)) {
        if (read_injection(arena, item, &list[count], err) != STATUS_OK ||
            injection_beside_check(list, count, &list[count], err) != STATUS_OK) {
            error_prefix(err, "credential[%u]", count);
            return STATUS_INVALID;
        }
        count++;
    }
    ret->injections = injections_of(arena, list, count);
    return STATUS_OK;
}

/* ---- slots ---- */

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

static enum status read_until(const struct cJSON *item, char *ret, struct error *err)
{
    struct slice text;
    TRY(json_text(item, "until", &text, err));
    if (text.len > 1) {
        FAIL(err, STATUS_INVALID, "until: one character is expected");
    }
    *ret = text.len == 1 ? text.ptr[0] : '\0';
    return STATUS_OK;
}

static enum status read_slot(struct arena *arena, const struct cJSON *item, struct slot *ret,
                             struct error *err)
{
    static const char *const known[] = {"in", "name", "prefix", "part", "until", "parameter", NULL};
    struct slice place;
    TRY(members_check(item, known, err));
    TRY(members_need_text(arena, item, "in", &place, err));
    if (slice_equal(place, SLICE("header"))) {
        ret->kind = SLOT_HEADER;
        TRY(need_header_name(arena, item, &ret->name, err));
        lower(arena, &ret->name);
        TRY(read_until(item, &ret->until, err));
        TRY(members_text(arena, item, "parameter", &ret->parameter, err));
        return members_text(arena, item, "prefix", &ret->prefix, err);
    }
    if (slice_equal(place, SLICE("query"))) {
        ret->kind = SLOT_QUERY;
        return members_need_text(arena, item, "name", &ret->name, err);
    }
    if (slice_equal(place, SLICE("basic"))) {
        return read_basic_slot(item, ret, err);
    }
    if (slice_equal(place, SLICE("aws"))) {
        ret->kind = SLOT_AWS;
        ret->name = SLICE("authorization");
        return STATUS_OK;
    }
    if (slice_equal(place, SLICE("path"))) {
        ret->kind = SLOT_PATH;
        return members_text(arena, item, "prefix", &ret->prefix, err);
    }
    FAIL(err, STATUS_INVALID, "in: \"%.*s\" is none of header, basic, query, path and aws",
         SLICE_ARG(place));
}

static bool same_slot(const struct slot *a, const struct slot *b)
{
    return a->kind == b->kind && slice_equal(a->name, b->name) &&
           slice_equal_nocase(a->prefix, b->prefix) && slice_equal(a->parameter, b->parameter);
}

/* One path at most, and nothing twice. */
static enum status check_slot(const struct profile *profile, const struct slot *slot,
                              struct error *err)
{
    for (const struct slot *other = profile->slots; other < slot; other++) {
        if (same_slot(other, slot) || (other->kind == SLOT_PATH && slot->kind == SLOT_PATH)) {
            FAIL(err, STATUS_INVALID, "the same place as slots[%u]",
                 (unsigned)(other - profile->slots));
        }
    }
    return STATUS_OK;
}

static enum status read_slots(struct arena *arena, const struct cJSON *root, struct profile *ret,
                              struct error *err)
{
    const struct cJSON *list = NULL;
    TRY(members_list(root, "slots", &list, err));
    if (json_count(list) > PROFILE_SLOTS_MAX) {
        FAIL(err, STATUS_INVALID, "slots: more than %d", PROFILE_SLOTS_MAX);
    }
    struct slot *slots = ARENA_ARRAY(arena, struct slot, json_count(list));
    ret->slots = slots;
    for (const struct cJSON *item = json_first(list); item != NULL; item = json_next(item)) {
        struct slot *slot = &slots[ret->slot_count];
        if (read_slot(arena, item, slot, err) != STATUS_OK ||
            check_slot(ret, slot, err) != STATUS_OK) {
            error_prefix(err, "slots[%u]", ret->slot_count);
            return STATUS_INVALID;
        }
        slot->hash = http1_name_hash(slot->name);
        ret->path_slot = slot->kind == SLOT_PATH ? slot : ret->path_slot;
        ret->slot_count++;
    }
    return STATUS_OK;
}

static enum status read_user_token(struct arena *arena, const struct cJSON *root,
                                   struct profile *ret, struct error *err)
{
    static const char *const known[] = {"name", "prefix", NULL};
    const struct cJSON *value = json_get(root, "user_token");
    struct slot *place = &ret->user_token;
    if (value == NULL) {
        return STATUS_OK;
    }
    if (members_check(value, known, err) != STATUS_OK ||
        need_header_name(arena, value, &place->name, err) != STATUS_OK ||
        members_text(arena, value, "prefix", &place->prefix, err) != STATUS_OK) {
        error_prefix(err, "user_token");
        return STATUS_INVALID;
    }
    lower(arena, &place->name);
    place->hash = http1_name_hash(place->name);
    return STATUS_OK;
}

enum status profile_read_places(struct arena *arena, const struct cJSON *root, struct profile *ret,
                                struct error *err)
{
    TRY(read_credential(arena, root, ret, err));
    TRY(read_slots(arena, root, ret, err));
    return read_user_token(arena, root, ret, err);
}

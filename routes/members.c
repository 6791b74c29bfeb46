#include "routes/members.h"

#include "base/json.h"
#include "base/memory.h"

#include <stdio.h>

enum { LIST_MAX_BYTES = 360 };

/* STATUS_INVALID, with all that could have been meant. */
static enum status unknown_member(const char *name, const char *const *known, struct error *err)
{
    char list[LIST_MAX_BYTES] = "";
    size_t len = 0;
    for (; *known != NULL && len < sizeof(list); known++) {
        int written =
            snprintf(list + len, sizeof(list) - len, "%s%s", len == 0 ? "" : ", ", *known);
        len += written > 0 ? (size_t)written : 0;
    }
    FAIL(err, STATUS_INVALID, "%s: unknown member; known here: %s", name, list);
}

enum status members_check(const struct cJSON *object, const char *const *known, struct error *err)
{
    if (!json_is_object(object)) {
        FAIL(err, STATUS_INVALID, "an object is expected");
    }
    for (const struct cJSON *member = json_first(object); member != NULL;
         member = json_next(member)) {
        const char *const *name = known;
        while (*name != NULL && strcmp(*name, json_name(member)) != 0) {
            name++;
        }
        if (*name == NULL) {
            return unknown_member(json_name(member), known, err);
        }
    }
    return STATUS_OK;
}

enum status members_list(const struct cJSON *object, const char *name,
                         const struct cJSON **ret_list, struct error *err)
{
    *ret_list = json_get(object, name);
    if (*ret_list != NULL && !json_is_array(*ret_list)) {
        FAIL(err, STATUS_INVALID, "%s: a list is expected", name);
    }
    return STATUS_OK;
}

enum status members_text(struct arena *arena, const struct cJSON *object, const char *name,
                         struct slice *ret, struct error *err)
{
    struct slice text;
    TRY(json_text(object, name, &text, err));
    *ret = arena_copy(arena, text);
    return STATUS_OK;
}

enum status members_need_text(struct arena *arena, const struct cJSON *object, const char *name,
                              struct slice *ret, struct error *err)
{
    TRY(members_text(arena, object, name, ret, err));
    if (ret->len == 0) {
        FAIL(err, STATUS_INVALID, "%s: missing or empty", name);
    }
    return STATUS_OK;
}

enum status members_flag(const struct cJSON *object, const char *name, bool *ret, struct error *err)
{
    const struct cJSON *value = json_get(object, name);
    *ret = false;
    if (value != NULL && !json_bool(value, ret)) {
        FAIL(err, STATUS_INVALID, "%s: true or false is expected", name);
    }
    return STATUS_OK;
}

enum status members_texts(struct arena *arena, const struct cJSON *object, const char *name,
                          const struct slice **ret, unsigned *ret_count, struct error *err)
{
    const struct cJSON *list = NULL;
    TRY(members_list(object, name, &list, err));
    struct slice *texts = ARENA_ARRAY(arena, struct slice, json_count(list));
    unsigned count = 0;
    for (const struct cJSON *item = json_first(list); item != NULL; item = json_next(item)) {
        struct slice text;
        if (!json_string(item, &text)) {
            FAIL(err, STATUS_INVALID, "%s[%u]: a text in quotes is expected", name, count);
        }
        texts[count++] = arena_copy(arena, text);
    }
    *ret = texts;
    *ret_count = count;
    return STATUS_OK;
}

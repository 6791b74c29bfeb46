#include "routes/profile_token.h"

#include "base/json.h"
#include "base/memory.h"
#include "routes/profile.h"

enum { TOKEN_SETTINGS_MAX = 32 };

struct reading {
    struct arena *arena;
    struct token_setting *settings;
    unsigned count;
};

static enum status add(struct reading *reading, const char *name, const struct cJSON *value,
                       struct error *err)
{
    struct slice text;
    if (!json_string(value, &text) || text.len == 0 || reading->count == TOKEN_SETTINGS_MAX) {
        FAIL(err, STATUS_INVALID, "token.%s: a text is expected, of %d at most", name,
             TOKEN_SETTINGS_MAX);
    }
    reading->settings[reading->count++] = (struct token_setting){
        .name = arena_copy(reading->arena, slice_from(name)),
        .value = arena_copy(reading->arena, text),
    };
    return STATUS_OK;
}

static enum status add_object(struct reading *reading, const struct cJSON *object,
                              struct error *err)
{
    for (const struct cJSON *item = json_first(object); item != NULL; item = json_next(item)) {
        TRY(add(reading, arena_print(reading->arena, "%s.%s", json_name(object), json_name(item)),
                item, err));
    }
    return STATUS_OK;
}

enum status profile_read_token(struct arena *arena, const struct cJSON *root, struct profile *ret,
                               struct error *err)
{
    const struct cJSON *token = json_get(root, "token");
    struct reading reading = {.arena = arena};
    if (token == NULL) {
        return STATUS_OK;
    }
    if (!json_is_object(token) || json_get(token, "grant") == NULL) {
        FAIL(err, STATUS_INVALID, "token: an object with a \"grant\" is expected");
    }
    reading.settings = ARENA_ARRAY(arena, struct token_setting, TOKEN_SETTINGS_MAX);
    for (const struct cJSON *item = json_first(token); item != NULL; item = json_next(item)) {
        TRY(json_is_object(item) ? add_object(&reading, item, err)
                                 : add(&reading, json_name(item), item, err));
    }
    ret->token = reading.settings;
    ret->token_count = reading.count;
    return STATUS_OK;
}

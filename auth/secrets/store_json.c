#include "auth/secrets/store_json.h"

#include "base/json.h"
#include "base/secret.h"

#include <stdio.h>
#include <string.h>

static const struct json_limits limits = {
    .bytes = STORE_ANSWER_MAX,
    .depth = 32,
    .names = JSON_NAMES_ONCE,
};

enum status store_parse(const struct store_answer *answer, struct cJSON **ret, struct error *err)
{
    struct error why;
    if (json_parse(answer->body, &limits, ret, &why) != STATUS_OK || !json_is_object(*ret)) {
        FAIL(err, STATUS_UNAVAILABLE, "answered %u with what is not its JSON", answer->status);
    }
    return STATUS_OK;
}

/* The strings of a document are the C library's memory: all of them are wiped before it goes. */
static void wipe_texts(const struct cJSON *value)
{
    struct slice text;
    if (json_string(value, &text)) {
        secret_wipe((char *)text.ptr, text.len);
    }
    for (const struct cJSON *item = json_first(value); item != NULL; item = json_next(item)) {
        wipe_texts(item); /* as deep as `limits` says; NOLINT(misc-no-recursion) */
    }
}

void store_free_document(struct cJSON **document)
{
    wipe_texts(*document);
    json_free(*document);
}

enum status store_take_text(const struct store_input *input, struct slice text, struct secret **ret,
                            struct error *err)
{
    struct cJSON *document CLEANUP(store_free_document) = NULL;
    struct slice field = store_place_of(input->plan, input->name).field;
    struct error why;
    char name[80];
    struct slice member;
    if (field.len == 0) {
        return store_take_value(text, ret, err);
    }
    (void)snprintf(name, sizeof(name), "%.*s", SLICE_ARG(field));
    if (json_parse(text, &limits, &document, &why) != STATUS_OK || !json_is_object(document)) {
        FAIL(err, STATUS_INVALID, "has a value there that is no JSON object with a field \"%s\"",
             name);
    }
    if (!json_string(json_get(document, name), &member)) {
        FAIL(err, STATUS_INVALID, "has no text in the field \"%s\" there", name);
    }
    return store_take_value(member, ret, err);
}

void store_take_version(struct slice id, struct store_value *ret)
{
    for (size_t at = slice_find(id, '/'); at < id.len; at = slice_find(id, '/')) {
        id = slice_skip(id, at + 1);
    }
    for (size_t i = 0; i < id.len; i++) {
        if (!ascii_is_alphanumeric(id.ptr[i]) && strchr("-_.", id.ptr[i]) == NULL) {
            return;
        }
    }
    if (id.len < sizeof(ret->version)) {
        (void)snprintf(ret->version, sizeof(ret->version), "%.*s", SLICE_ARG(id));
    }
}

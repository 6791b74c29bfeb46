#include "base/http1.h"
#include "config/link.h"

#include <string.h>

static const char example[] = "inject: {header: Authorization, value: \"Bearer {secret}\"}";

/* Letters, digits and `marks`. */
static bool made_of(struct slice text, const char *marks)
{
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        if (!ascii_is_alphanumeric(byte) && (byte == '\0' || strchr(marks, byte) == NULL)) {
            return false;
        }
    }
    return true;
}

static size_t find_secret(struct slice text)
{
    const struct slice mark = SLICE("{secret}");
    for (size_t at = 0; at < text.len; at++) {
        if (slice_starts_with(slice_skip(text, at), mark)) {
            return at;
        }
    }
    return text.len;
}

/* Splits the template of `node`. False: reported. */
static bool split_template(const struct link *link, const struct tree *node,
                           struct injection *injection)
{
    const size_t mark_len = strlen("{secret}");
    struct slice text = node->text;
    if (injection->place == INJECT_PATH && slice_starts_with(text, SLICE("/"))) {
        text = slice_skip(text, 1);
    }
    size_t at = find_secret(text);
    struct slice after = slice_skip(text, at + mark_len);
    if (at == text.len || find_secret(after) < after.len) {
        tree_report(link->problems, node, "write {secret} once where the secret goes, as in %s",
                    injection->place == INJECT_HEADER ? "\"Bearer {secret}\"" : "\"{secret}\"");
        return false;
    }
    injection->before = link_keep_slice(link, slice_make(text.ptr, at));
    injection->after = link_keep_slice(link, after);
    return true;
}

static bool check_literals(const struct link *link, const struct tree *node,
                           const struct injection *injection)
{
    const char *marks = injection->place == INJECT_PATH    ? "-._~!$&'()*+,;=:@/"
                        : injection->place == INJECT_QUERY ? "-._~:@/,"
                                                           : NULL;
    bool valid = marks == NULL
                     ? http1_valid_field_value(node->text)
                     : made_of(injection->before, marks) && made_of(injection->after, marks);
    if (!valid) {
        tree_report(link->problems, node,
                    "around {secret} there are characters that a %s cannot "
                    "have as they are",
                    injection->place == INJECT_PATH    ? "path"
                    : injection->place == INJECT_QUERY ? "query"
                                                       : "header");
    }
    return valid;
}

static bool check_injected_name(const struct link *link, const struct tree *node,
                                const struct injection *injection)
{
    if (injection->place == INJECT_QUERY) {
        if (!made_of(node->text, "-._~")) {
            tree_report(link->problems, node,
                        "a parameter's name here has letters, digits, '-', '.', '_' and '~'");
            return false;
        }
        return true;
    }
    if (!http1_valid_token(node->text)) {
        tree_report(link->problems, node, "no header can have this name");
        return false;
    }
    if (header_name_reserved(node->text)) {
        tree_report(link->problems, node, "the gateway alone writes this header; take another");
        return false;
    }
    return true;
}

/* The one of the four that is given, or NULL. */
static const struct tree *chosen_place(const struct link *link, const struct inject_section *inject,
                                       const struct tree *node, enum injection_place *ret)
{
    const struct {
        const struct tree *node;
        enum injection_place place;
    } places[] = {
        {inject->header, INJECT_HEADER},
        {inject->query, INJECT_QUERY},
        {inject->path, INJECT_PATH},
        {inject->basic, INJECT_BASIC},
    };
    const struct tree *chosen = NULL;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (places[i].node != NULL && chosen != NULL) {
            tree_report_key(link->problems, places[i].node,
                            "there is another of header, query, path and basic; keep one of them");
        } else if (places[i].node != NULL) {
            chosen = places[i].node;
            *ret = places[i].place;
        }
    }
    if (chosen == NULL && node->count == (inject->value != NULL)) {
        tree_report_key(link->problems, node,
                        "one of header, query, path and basic must be given; write %s", example);
    }
    return chosen;
}

static void read_injection(const struct link *link, const struct inject_section *inject,
                           const struct tree *node, struct injection *ret)
{
    struct injection injection = {.place = INJECT_NONE};
    const struct tree *place = chosen_place(link, inject, node, &injection.place);
    if (place == NULL) {
        return;
    }
    const bool named = injection.place == INJECT_HEADER || injection.place == INJECT_QUERY;
    const struct tree *template = named ? inject->value : place;
    if (!named && inject->value != NULL) {
        tree_report_key(link->problems, inject->value,
                        "belongs to header and query; write the text behind path or basic itself");
    }
    if (named) {
        if (!check_injected_name(link, place, &injection)) {
            return;
        }
        injection.name = link_keep_slice(link, place->text);
    }
    if (template != NULL && (!split_template(link, template, &injection) ||
                             !check_literals(link, template, &injection))) {
        return;
    }
    *ret = injection;
}

void link_injection(const struct link *link, const struct route_section *section,
                    struct route *route)
{
    const struct tree *node = tree_get(section->node, "inject");
    const struct tree *credential = tree_get(section->node, "credential");
    route->injection = (struct injection){.place = INJECT_NONE};
    if (node != NULL) {
        if (node->kind == TREE_MAP || tree_is_null(node)) {
            read_injection(link, &section->inject, node, &route->injection);
        }
        if (credential == NULL || link_credential_none(section)) {
            tree_report_key(link->problems, node,
                            "there is no credential to inject; write credential: {secret: NAME}, "
                            "or take this out");
        }
        return;
    }
    if (route->credential_count == 0 || route->profile == NULL) {
        return;
    }
    route->injection = route->profile->injection;
    if (link_generic(route->profile) || route->injection.place == INJECT_NONE) {
        tree_report_key(link->problems, section->node,
                        "inject is missing: provider %s does not say where the credential goes; "
                        "write %s",
                        route->profile->name, example);
    }
}

#include "base/http1.h"
#include "config/link.h"

static const char example[] = "inject: {header: Authorization, value: \"Bearer {secret}\"}";

/* Letters, digits and a few that need no encoding. */
static bool plain_name(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_unreserved(text.ptr[i])) {
            return false;
        }
    }
    return true;
}

/* What a message quotes is only what it says itself. */
static void report(const struct link *link, const struct tree *node, const struct error *err)
{
    tree_report(link->problems, node, "%s", err->message);
}

/* Splits the template of `node`; what it points to stays. False: reported. */
static bool read_template(const struct link *link, const struct tree *node,
                          struct injection *injection)
{
    struct slice text = link_keep_slice(link, node->text);
    struct error err;
    if (injection->place == INJECT_PATH && slice_starts_with(text, SLICE("/"))) {
        text = slice_skip(text, 1);
    }
    if (injection_template_read(text, injection, &err) != STATUS_OK ||
        injection_literals_check(injection, &err) != STATUS_OK) {
        report(link, node, &err);
        return false;
    }
    return true;
}

static bool check_injected_name(const struct link *link, const struct tree *node,
                                const struct injection *injection)
{
    if (injection->place == INJECT_QUERY || injection->place == INJECT_BODY) {
        if (!plain_name(node->text)) {
            tree_report(link->problems, node,
                        "a %s name here has letters, digits, '-', '.', '_' and '~'",
                        injection->place == INJECT_QUERY ? "parameter's" : "member's");
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

/* The one of the five that is given, or NULL. */
static const struct tree *chosen_place(const struct link *link, const struct inject_section *inject,
                                       enum injection_place *ret)
{
    const struct tree *const nodes[] = {
        [INJECT_HEADER] = inject->header, [INJECT_QUERY] = inject->query,
        [INJECT_PATH] = inject->path,     [INJECT_BASIC] = inject->basic,
        [INJECT_BODY] = inject->body,
    };
    const struct tree *chosen = NULL;
    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
        if (nodes[i] != NULL && chosen != NULL) {
            tree_report_key(link->problems, nodes[i],
                            "there is another of header, query, path, basic and body; keep one of "
                            "them, or make a list of several places");
        } else if (nodes[i] != NULL) {
            chosen = nodes[i];
            *ret = (enum injection_place)i;
        }
    }
    if (chosen == NULL && inject->node->count == (inject->value != NULL)) {
        tree_report_key(link->problems, inject->node,
                        "one of header, query, path, basic and body must be given; write %s",
                        example);
    }
    return chosen;
}

/* False: reported. */
static bool read_injection(const struct link *link, const struct inject_section *inject,
                           struct injection *ret)
{
    struct injection injection = {.pieces = {{.part = INJECT_SECRET}}, .piece_count = 1};
    const struct tree *place = chosen_place(link, inject, &injection.place);
    if (place == NULL) {
        return false;
    }
    const bool named = injection.place != INJECT_PATH && injection.place != INJECT_BASIC;
    const struct tree *template = named ? inject->value : place;
    if (!named && inject->value != NULL) {
        tree_report_key(link->problems, inject->value,
                        "belongs to header, query and body; write the text behind path or basic "
                        "itself");
    }
    if (named && !check_injected_name(link, place, &injection)) {
        return false;
    }
    injection.name = injection.place == INJECT_BASIC ? SLICE("Authorization")
                     : named                         ? link_keep_slice(link, place->text)
                                                     : SLICE("");
    if (template != NULL && !read_template(link, template, &injection)) {
        return false;
    }
    *ret = injection;
    return true;
}

static void read_places(const struct link *link, const struct field_items *items,
                        const struct tree *node, struct route *route)
{
    const struct inject_section *sections = items->items;
    struct injection *list = ARENA_ARRAY(link->arena, struct injection, INJECTIONS_MAX);
    unsigned count = 0;
    if (items->count > INJECTIONS_MAX) {
        tree_report_key(link->problems, node, "%u places, and %d are the most", items->count,
                        INJECTIONS_MAX);
        return;
    }
    if (items->count == 0 && node->kind == TREE_LIST) {
        tree_report_key(link->problems, node, "the list is empty; write %s", example);
    }
    for (unsigned i = 0; i < items->count; i++) {
        struct error err;
        if (!read_injection(link, &sections[i], &list[count])) {
            continue;
        }
        if (injection_beside_check(list, count, &list[count], &err) != STATUS_OK) {
            report(link, sections[i].node, &err);
            continue;
        }
        count++;
    }
    route->injections = injections_of(link->arena, list, count);
}

void link_injection(const struct link *link, const struct route_section *section,
                    struct route *route)
{
    const struct tree *node = tree_get(section->node, "inject");
    const struct tree *credential = tree_get(section->node, "credential");
    route->injections = (struct injections){.count = 0};
    if (node != NULL) {
        read_places(link, &section->inject, node, route);
        if (credential == NULL || link_credential_none(section)) {
            tree_report_key(link->problems, node,
                            "there is no credential to inject; write credential: {secret: NAME}, "
                            "or take this out");
        }
        return;
    }
    if (route->credential_count == 0 || route->profile == NULL ||
        link_signs(section, route->profile)) {
        return;
    }
    route->injections = route->profile->injections;
    if (link_generic(route->profile) || route->injections.count == 0) {
        tree_report_key(link->problems, section->node,
                        "inject is missing: provider %s does not say where the credential goes; "
                        "write %s",
                        route->profile->name, example);
    }
}

/* What a route asks of its requests' bodies. */
#include "base/buffer.h"
#include "base/file.h"
#include "base/json_pick.h"
#include "config/link.h"
#include "routes/body_rule.h"
#include "routes/body_schema.h"

enum { RULES_MAX = 16, RULE_NAME_MAX = 160 };

static void take_call(const struct link *link, const struct validate_section *section,
                      struct body_rule *rule)
{
    struct error err;
    struct allow_rule call;
    bool any = section->method == NULL && section->path == NULL;
    const char *text =
        arena_print(link->arena, "r:%.*s %.*s",
                    SLICE_ARG(section->method == NULL ? SLICE("*") : section->method->text),
                    SLICE_ARG(section->path == NULL ? SLICE("/*") : section->path->text));
    if (any) {
        return;
    }
    if (allow_parse(link->arena, slice_from(text), &call, &err) != STATUS_OK) {
        link_report(link, section->path != NULL ? section->path : section->method,
                    "a method and a path", &err);
        return;
    }
    deny_set_call(link->arena, &call, &rule->call);
}

static void take_content_types(const struct link *link, const struct tree *texts,
                               struct body_rule *rule)
{
    unsigned count = link_text_count(texts);
    struct slice *types = ARENA_ARRAY(link->arena, struct slice, count + 1);
    rule->content_types = types;
    for (unsigned i = 0; i < count; i++) {
        const struct tree *node = link_text(texts, i);
        bool plain = slice_find(node->text, '/') < node->text.len &&
                     slice_find(node->text, ';') == node->text.len &&
                     slice_find(node->text, ' ') == node->text.len;
        if (!node->faulty && !plain) {
            tree_report(link->problems, node,
                        "\"%s\" is no media type; write one such as application/json, without "
                        "parameters",
                        QUOTE(node->source));
        } else if (!node->faulty) {
            types[rule->content_type_count++] = link_keep_slice(link, node->text);
        }
    }
}

/* False: reported. */
static bool read_place(const struct link *link, const struct tree *node, struct slice pointer,
                       struct json_place *ret)
{
    if (json_place_parse(link->arena, pointer, ret)) {
        return true;
    }
    tree_report(link->problems, node, "no JSON Pointer of up to %d names; write one such as /model",
                JSON_PLACE_DEPTH_MAX);
    return false;
}

static void take_shape(const struct link *link, const struct validate_section *section,
                       struct body_rule *rule)
{
    struct schema_node *root = NULL;
    struct json_place place;
    struct error err;
    for (unsigned i = 0; i < link_text_count(section->required); i++) {
        const struct tree *node = link_text(section->required, i);
        if (!node->faulty && read_place(link, node, node->text, &place) &&
            body_schema_require(link->arena, &root, &place, &err) != STATUS_OK) {
            link_report(link, node, "a member", &err);
        }
    }
    for (unsigned i = 0; section->types != NULL && i < section->types->count; i++) {
        const struct tree *node = section->types->items[i];
        if (!node->faulty && read_place(link, node, node->key->text, &place) &&
            body_schema_type(link->arena, &root, &place, node->text, &err) != STATUS_OK) {
            link_report(link, node, "a type", &err);
        }
    }
    rule->shape = root;
}

static void take_schema(const struct link *link, const struct validate_section *section,
                        struct body_rule *rule)
{
    const struct tree *node = tree_get(section->node, "schema");
    struct error err;
    CLEANUP(buffer_fini) struct buffer text;
    buffer_init(&text, BODY_SCHEMA_BYTES_MAX);
    if (section->schema == NULL || file_readable(section->schema, NULL) != STATUS_OK) {
        return; /* not there, or reported */
    }
    if (file_read(section->schema, FILE_REGULAR, &text, &err) != STATUS_OK ||
        body_schema_read(link->arena, buffer_bytes(&text), &rule->schema, &err) != STATUS_OK) {
        tree_report(link->problems, node, "no schema that can be checked: %s", err.message);
    }
}

void link_validate(const struct link *link, const struct route_section *section,
                   struct route *route)
{
    const struct validate_section *sections = section->validate.items;
    const struct body_rule **last = &route->body_rules;
    for (unsigned i = 0; i < section->validate.count; i++) {
        char name[RULE_NAME_MAX];
        struct body_rule *rule = ARENA_NEW(link->arena, struct body_rule);
        if (i == RULES_MAX) {
            tree_report(link->problems, sections[i].node, "%u rules, and %d are the most",
                        section->validate.count, RULES_MAX);
            return;
        }
        tree_path(sections[i].node, name, sizeof(name));
        rule->name = link_keep(link, name);
        rule->max_body = sections[i].max_body;
        take_call(link, &sections[i], rule);
        rule->call.route_index = route->index;
        take_content_types(link, sections[i].content_types, rule);
        take_shape(link, &sections[i], rule);
        take_schema(link, &sections[i], rule);
        *last = rule;
        last = &rule->next;
    }
}

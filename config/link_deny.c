/* What tenants may not call although they are allowed to. */
#include "base/json_pick.h"
#include "config/link.h"
#include "routes/deny.h"

enum { DENIALS_MAX = 64, RULE_NAME_MAX = 160 };

static bool take_call(const struct link *link, const struct tree *node, struct slice text,
                      struct deny_rule *rule)
{
    struct allow_rule call;
    struct error err;
    if (allow_parse(link->arena, text, &call, &err) != STATUS_OK) {
        link_report(link, node, "a rule such as \"stripe:DELETE /v1/*\"", &err);
        return false;
    }
    const struct route *route = link_find_route(link, node, call.route);
    if (route == NULL) {
        return false;
    }
    rule->route_index = route->index;
    deny_set_call(link->arena, &call, rule);
    return true;
}

static const struct tree *item_of(const struct tree *map, unsigned index)
{
    return map->items[index]->faulty ? NULL : map->items[index];
}

static void take_headers(const struct link *link, const struct tree *map, struct deny_rule *rule)
{
    unsigned count = map == NULL ? 0 : map->count;
    struct deny_header *headers = ARENA_ARRAY(link->arena, struct deny_header, count + 1);
    rule->headers = headers;
    for (unsigned i = 0; i < count; i++) {
        const struct tree *node = item_of(map, i);
        if (node == NULL) {
            continue;
        }
        if (!http1_valid_token(node->key->text)) {
            tree_report_key(link->problems, node, "no header can have this name");
            continue;
        }
        struct deny_header *header = &headers[rule->header_count++];
        header->name = link_keep_slice(link, node->key->text);
        header->pattern = link_keep_slice(link, node->text);
    }
}

static void take_fields(const struct link *link, const struct tree *map, struct deny_rule *rule)
{
    unsigned count = map == NULL ? 0 : map->count;
    struct deny_field *fields = ARENA_ARRAY(link->arena, struct deny_field, count + 1);
    rule->fields = fields;
    for (unsigned i = 0; i < count; i++) {
        const struct tree *node = item_of(map, i);
        if (node == NULL) {
            continue;
        }
        struct deny_field *field = &fields[rule->field_count];
        if (!json_place_parse(link->arena, node->key->text, &field->place)) {
            tree_report_key(link->problems, node,
                            "no JSON Pointer of up to %d names; write one such as /metadata/tier",
                            JSON_PLACE_DEPTH_MAX);
            continue;
        }
        field->pattern = link_keep_slice(link, node->text);
        rule->field_count++;
    }
}

static struct slice text_of(const struct tree *node, struct slice absent)
{
    return node == NULL ? absent : node->text;
}

/* "ROUTE:METHOD PATH" of a map's parts. */
static bool take_map(const struct link *link, const struct tree *node, struct deny_rule *rule)
{
    struct deny_section section;
    struct fields_sink sink = {.arena = link->arena, .problems = link->problems};
    fields_bind(&sink, node, deny_fields, &section);
    if (section.route == NULL) {
        return false;
    }
    bool has_call = section.method != NULL || section.path != NULL;
    const char *text = arena_print(
        link->arena, "%.*s%s%.*s%s%.*s", SLICE_ARG(section.route->text), has_call ? ":" : "",
        SLICE_ARG(has_call ? text_of(section.method, SLICE("*")) : SLICE("")), has_call ? " " : "",
        SLICE_ARG(has_call ? text_of(section.path, SLICE("/*")) : SLICE("")));
    const struct tree *place = section.path != NULL     ? section.path
                               : section.method != NULL ? section.method
                                                        : section.route;
    if (slice_find(section.route->text, ':') < section.route->text.len) {
        place = section.route; /* it would be read as more than a name */
    }
    rule->model = link_keep_slice(link, text_of(section.model, SLICE("")));
    take_headers(link, section.header, rule);
    take_fields(link, section.field, rule);
    return take_call(link, place, slice_from(text), rule);
}

static void check_places(const struct link *link, const struct tree *node,
                         const struct deny_rule *first)
{
    unsigned places = 0;
    for (const struct deny_rule *rule = first; rule != NULL; rule = rule->next) {
        places += rule->field_count;
    }
    if (places > JSON_PLACES_MAX) {
        tree_report(link->problems, node, "%u fields of bodies, and %d are the most", places,
                    JSON_PLACES_MAX);
    }
}

void link_deny(const struct link *link, const struct tenant_section *section, struct tenant *tenant)
{
    unsigned count = link_text_count(section->deny);
    const struct deny_rule **last = &tenant->denials;
    if (count > DENIALS_MAX) {
        tree_report(link->problems, section->deny, "%u rules, and %d are the most", count,
                    DENIALS_MAX);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        const struct tree *node = link_text(section->deny, i);
        char name[RULE_NAME_MAX];
        struct deny_rule *rule = ARENA_NEW(link->arena, struct deny_rule);
        if (node->faulty) {
            continue;
        }
        bool taken = node->kind == TREE_MAP ? take_map(link, node, rule)
                                            : take_call(link, node, node->text, rule);
        tree_path(node, name, sizeof(name));
        rule->name = link_keep(link, name);
        if (taken) {
            *last = rule;
            last = &rule->next;
        }
    }
    if (count > 0) {
        check_places(link, section->deny, tenant->denials);
    }
}

#include "base/http1.h"
#include "config/link.h"
#include "config/token.h"

#include <string.h>

bool link_header_is_slot(const struct link *link, struct slice name)
{
    const struct profile_set *set = &link->snapshot->profiles;
    for (unsigned i = 0; i < set->header_slot_count; i++) {
        if (slice_equal_nocase(name, set->header_slots[i])) {
            return true;
        }
    }
    return false;
}

static bool listed(const struct slice *names, unsigned count, struct slice name)
{
    for (unsigned i = 0; i < count; i++) {
        if (slice_equal_nocase(names[i], name)) {
            return true;
        }
    }
    return false;
}

static bool is_signed_over(const struct route *route, struct slice name)
{
    struct slice names[SIGN_FIELDS_MAX];
    return listed(names, link_sign_fields(route, names), name);
}

/* Reports at `node`, whose text is the name if it is no value of `set`. */
static bool check_name(const struct link *link, const struct tree *node, struct slice name,
                       const struct route *route)
{
    if (!http1_valid_token(name)) {
        tree_report_key(link->problems, node, "no header can have this name");
    } else if (header_name_reserved(name)) {
        tree_report_key(link->problems, node, "the gateway alone writes this header; take it out");
    } else if (injections_has_header(&route->injections, name)) {
        tree_report_key(link->problems, node,
                        "the credential is injected into this header; take it out");
    } else if (is_signed_over(route, name)) {
        tree_report_key(link->problems, node, "the signature brings this header; take it out");
    } else if (link_header_is_slot(link, name)) {
        tree_report_key(link->problems, node,
                        "this header carries credentials; those are secrets that are injected: see "
                        "credential and inject");
    } else {
        return true;
    }
    return false;
}

static unsigned read_set(const struct link *link, const struct tree *map, const struct route *route,
                         struct header_setting *out)
{
    unsigned used = 0;
    for (unsigned i = 0; map != NULL && i < map->count; i++) {
        const struct tree *value = map->items[i];
        struct slice name = value->key->text;
        bool twice = false;
        if (value->faulty || !check_name(link, value, name, route)) {
            continue;
        }
        for (unsigned j = 0; j < used; j++) {
            twice = twice || slice_equal_nocase(out[j].name, name);
        }
        if (twice) {
            tree_report_key(link->problems, value, "this header is set already; keep one of them");
        } else if (!http1_valid_field_value(value->text) ||
                   slice_trim(value->text).len != value->text.len) {
            tree_report(link->problems, value,
                        "no header can have this value: line breaks and control characters, and "
                        "blanks at its ends");
        } else {
            out[used++] = (struct header_setting){name, value->text};
        }
    }
    return used;
}

static unsigned read_drop(const struct link *link, const struct tree *list, struct slice *out)
{
    unsigned used = 0;
    for (unsigned i = 0; i < link_text_count(list); i++) {
        const struct tree *node = link_text(list, i);
        if (node->faulty) {
            continue;
        }
        if (http1_valid_token(node->text)) {
            out[used++] = node->text;
        } else {
            tree_report(link->problems, node, "no header can have this name");
        }
    }
    return used;
}

static unsigned read_pass(const struct link *link, const struct tree *list,
                          const struct route *route, const struct header_rules_input *input,
                          struct slice *out)
{
    unsigned used = 0;
    for (unsigned i = 0; i < link_text_count(list); i++) {
        const struct tree *node = link_text(list, i);
        if (node->faulty || !check_name(link, node, node->text, route)) {
            continue;
        }
        if (header_name_overrides(node->text)) {
            tree_report(link->problems, node,
                        "this header makes a call another one than the rules allowed; take it out");
            continue;
        }
        if (listed(input->drop, input->drop_count, node->text)) {
            tree_report(link->problems, node, "this header is in drop, too; keep one of them");
            continue;
        }
        out[used++] = node->text;
    }
    return used;
}

void link_headers(const struct link *link, const struct route_section *section, struct route *route)
{
    const struct headers_section *headers = &section->headers;
    struct header_rules_input input = {
        .authority = slice_from(route->origin.authority),
        .slots = link->snapshot->profiles.header_slots,
        .slot_count = link->snapshot->profiles.header_slot_count,
    };
    unsigned set_max = headers->set == NULL ? 0 : headers->set->count;
    unsigned drop_max = link_text_count(headers->drop) + INJECTIONS_MAX + SIGN_FIELDS_MAX + 1;
    CLEANUP(memory_free_at)
    struct header_setting *set = memory_alloc((set_max + 1) * sizeof(*set));
    CLEANUP(memory_free_at) struct slice *drop = memory_alloc(drop_max * sizeof(*drop));
    CLEANUP(memory_free_at)
    struct slice *pass = memory_alloc((link_text_count(headers->pass) + 1) * sizeof(*pass));

    input.set_count = read_set(link, headers->set, route, set);
    input.set = set;
    input.drop_count = read_drop(link, headers->drop, drop);
    input.drop = drop;
    input.pass_count = read_pass(link, headers->pass, route, &input, pass);
    input.pass = pass;
    for (unsigned i = 0; i < route->injections.count; i++) {
        if (route->injections.list[i].place == INJECT_HEADER) {
            drop[input.drop_count++] = route->injections.list[i].name;
        }
    }
    if (route->token != NULL && route->token->plan.values[TOKEN_SUBJECT_HEADER].len > 0) {
        drop[input.drop_count++] = route->token->plan.values[TOKEN_SUBJECT_HEADER];
    }
    input.drop_count += link_sign_fields(route, drop + input.drop_count);
    if (route->profile == NULL || route->origin.host == NULL) {
        return; /* reported; there is nothing to compile for */
    }
    input.defaults = route->profile->headers;
    input.default_count = route->profile->header_count;
    header_rules_compile(link->arena, &input, &route->headers);
}

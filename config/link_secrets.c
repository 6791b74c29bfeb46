#include "config/link.h"

/* A key that the source's type has no use for, or that it needs. */
struct source_rule {
    enum secret_source_kind kind;
    const char *key;
    bool needed; /* else: refused */
    const char *message;
};

static const struct source_rule rules[] = {
    {SECRET_SOURCE_SEALED, "path", true, "path is missing; write path: secrets.sealed"},
    {SECRET_SOURCE_SEALED, "key_file", true, "key_file is missing; write key_file: master.key"},
    {SECRET_SOURCE_SEALED, "prefix", false, "belongs to type: env; take it out"},
    {SECRET_SOURCE_ENV, "path", false, "belongs to type: sealed or directory; take it out"},
    {SECRET_SOURCE_ENV, "key_file", false, "belongs to type: sealed; take it out"},
    {SECRET_SOURCE_DIRECTORY, "path", true, "path is missing; write path: /run/secrets"},
    {SECRET_SOURCE_DIRECTORY, "key_file", false, "belongs to type: sealed; take it out"},
    {SECRET_SOURCE_DIRECTORY, "prefix", false, "belongs to type: env; take it out"},
};

static void check_source(const struct link *link, const struct secret_source_section *section)
{
    /* Where the type itself is wrong, nothing is known of the others. */
    const struct tree *type = tree_get(section->node, "type");
    if (type == NULL || type->faulty ||
        (section->type == 0 && !slice_equal(type->text, SLICE("sealed")))) {
        return;
    }
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        const struct tree *given = tree_get(section->node, rules[i].key);
        if (rules[i].kind != (enum secret_source_kind)section->type) {
            continue;
        }
        if (rules[i].needed && given == NULL) {
            tree_report(link->problems, section->node, "%s", rules[i].message);
        } else if (!rules[i].needed && given != NULL) {
            tree_report_key(link->problems, given, "%s", rules[i].message);
        }
    }
}

static bool prefix_valid(struct slice prefix)
{
    for (size_t i = 0; i < prefix.len; i++) {
        char byte = prefix.ptr[i];
        if (!ascii_is_letter(byte) && byte != '_' && (i == 0 || !ascii_is_digit(byte))) {
            return false;
        }
    }
    return true;
}

void link_secrets(struct link *link)
{
    const struct field_items *items = &link->sections->secrets;
    const struct secret_source_section *sections = items->items;
    struct secret_source *sources =
        ARENA_ARRAY(link->arena, struct secret_source, items->count + 1);
    for (unsigned i = 0; i < items->count; i++) {
        const struct secret_source_section *section = &sections[i];
        check_source(link, section);
        if (section->prefix != NULL && !prefix_valid(slice_from(section->prefix))) {
            tree_report(link->problems, tree_get(section->node, "prefix"),
                        "no environment variable can begin so; write letters, digits and '_'");
        }
        sources[i] = (struct secret_source){
            .kind = (enum secret_source_kind)section->type,
            .path = link_keep(link, section->path),
            .key_file = link_keep(link, section->key_file),
            .prefix = link_keep(link, section->prefix),
        };
        if (sources[i].kind == SECRET_SOURCE_ENV && sources[i].prefix == NULL) {
            sources[i].prefix = "SALLYPORT_SECRET_";
        }
    }
    link->snapshot->secret_sources = sources;
    link->snapshot->secret_source_count = items->count;
}

/* How a hook is signed: a built-in scheme by its name, or one that the config has. */
#include "auth/inbound/webhook_scheme.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "base/nearest.h"
#include "config/link.h"

#include <string.h>

enum { SCHEME_JSON_MAX = 256 * 1024 };

/* ---- by name ---- */

static void report_unknown(const struct link *link, const struct hook_section *section)
{
    const struct webhook_schemes *schemes = link->snapshot->webhook_schemes;
    const struct tree *given = section->provider;
    struct nearest nearest;
    nearest_init(&nearest, given != NULL ? given->source : section->node->key->source);
    for (unsigned i = 0; i < webhook_schemes_count(schemes); i++) {
        struct slice name = webhook_schemes_at(schemes, i)->name;
        nearest_offer(&nearest, link_keep_slice(link, name).ptr);
    }
    if (given != NULL && nearest.best != NULL) {
        tree_report(link->problems, given,
                    "no webhook scheme is called \"%s\"; did you mean \"%s\"?",
                    QUOTE(given->source), nearest.best);
    } else if (given != NULL) {
        tree_report(link->problems, given,
                    "no webhook scheme is called \"%s\"; write one of: %s; or scheme: {...}",
                    QUOTE(given->source), nearest.known);
    } else {
        tree_report_key(link->problems, section->node,
                        "provider is missing, and no webhook scheme is called \"%s\"; write "
                        "provider: %s, or scheme: {...}",
                        QUOTE(section->node->key->source),
                        nearest.best != NULL ? nearest.best : "standard-webhooks");
    }
}

static const struct webhook_scheme *find_scheme(const struct link *link,
                                                const struct hook_section *section)
{
    const struct tree *given = section->provider;
    if (given == NULL && tree_get(section->node, "provider") != NULL) {
        return NULL; /* reported by fields */
    }
    const struct webhook_scheme *scheme = webhook_schemes_find(
        link->snapshot->webhook_schemes, given != NULL ? given->text : section->node->key->text);
    if (scheme == NULL) {
        report_unknown(link, section);
    }
    return scheme;
}

/* ---- in the config ---- */

/* Without those that were reported. */
static enum status put_texts(const struct tree *texts, struct buffer *out)
{
    const char *before = "[";
    for (unsigned i = 0; i < link_text_count(texts); i++) {
        const struct tree *text = link_text(texts, i);
        if (!text->faulty) {
            TRY(buffer_append(out, slice_from(before)));
            TRY(encode_json_string(text->text, out));
            before = ",";
        }
    }
    return buffer_append(out, before[0] == '[' ? SLICE("[]") : SLICE("]"));
}

/* What the form requires, but stands to reason here. */
static enum status put_default(const struct field *field, const struct hook_section *section,
                               struct buffer *out)
{
    struct slice name = slice_from(field->name);
    if (slice_equal(name, SLICE("title"))) {
        TRY(buffer_append(out, SLICE(",\"title\":")));
        return encode_json_string(section->node->key->text, out);
    }
    if (slice_equal(name, SLICE("tolerance")) && section->scheme.timestamp != NULL) {
        return buffer_print(out, ",\"tolerance\":%u", section->scheme.tolerance);
    }
    const char *usual = slice_equal(name, SLICE("grammar")) ? ",\"grammar\":\"bare\""
                        : slice_equal(name, SLICE("key"))   ? ",\"key\":\"text\""
                                                            : "";
    return buffer_append(out, slice_from(usual));
}

static enum status put_member(const struct field *field, const struct tree *node,
                              const struct hook_section *section, struct buffer *out)
{
    const void *member = (const char *)&section->scheme + field->offset;
    TRY(buffer_print(out, ",\"%s\":", field->name));
    if (field->kind == FIELD_KIND_UINT) {
        return buffer_print(out, "%u", *(const unsigned *)member);
    }
    if (field->kind == FIELD_KIND_BOOL) {
        return buffer_append(out, *(const bool *)member ? SLICE("true") : SLICE("false"));
    }
    if (field->kind == FIELD_KIND_TEXTS) {
        return put_texts(node, out);
    }
    return encode_json_string(node->text, out);
}

/* As a file of a built-in scheme has it. */
static enum status write_scheme(const struct hook_section *section, const struct tree *map,
                                struct buffer *out)
{
    const struct tree *doc = section->scheme.doc;
    TRY(buffer_append(out, SLICE("{\"doc\":")));
    TRY(encode_json_string(doc != NULL ? doc->text : SLICE(""), out));
    for (const struct field *field = scheme_fields; field->name != NULL; field++) {
        const struct tree *node = tree_get(map, field->name);
        bool is_list = field->kind == FIELD_KIND_TEXTS;
        bool usable = node != NULL && (is_list || node->kind == TREE_SCALAR);
        if (strcmp(field->name, "doc") != 0) {
            TRY(usable ? put_member(field, node, section, out) : put_default(field, section, out));
        }
    }
    return buffer_append(out, SLICE("}"));
}

/* Then a message may not quote it. */
static bool has_expanded(const struct tree *map)
{
    for (unsigned i = 0; i < map->count; i++) {
        const struct tree *item = map->items[i];
        for (unsigned k = 0; item->kind == TREE_LIST && k < item->count; k++) {
            if (tree_expanded(item->items[k])) {
                return true;
            }
        }
        if (tree_expanded(item)) {
            return true;
        }
    }
    return false;
}

static bool same_place(const struct webhook_place *a, const struct webhook_place *b)
{
    return a->kind == b->kind && slice_equal(a->name, b->name);
}

/* Is what stands at `place` in what this part has signed? */
static bool part_covers(const struct webhook_scheme *scheme, const struct webhook_part *part,
                        const struct webhook_place *place)
{
    if (part->kind == WEBHOOK_PART_BODY || part->kind == WEBHOOK_PART_SNS) {
        return place->kind == WEBHOOK_IN_JSON || place->kind == WEBHOOK_IN_FORM;
    }
    return (part->kind == WEBHOOK_PART_FORM && place->kind == WEBHOOK_IN_FORM) ||
           (part->kind == WEBHOOK_PART_URL && place->kind == WEBHOOK_IN_QUERY) ||
           (part->kind == WEBHOOK_PART_TIMESTAMP && same_place(place, &scheme->timestamp)) ||
           (part->kind == WEBHOOK_PART_ID && same_place(place, &scheme->id)) ||
           (part->kind == WEBHOOK_PART_JSON && place->kind == WEBHOOK_IN_JSON &&
            slice_equal(part->text, place->name)) ||
           (part->kind == WEBHOOK_PART_HEADER && place->kind == WEBHOOK_IN_HEADER &&
            slice_equal_nocase(part->text, place->name));
}

static bool covers(const struct webhook_scheme *scheme, const struct webhook_place *place)
{
    bool covered = place->kind == WEBHOOK_IN_CLAIM;
    for (unsigned i = 0; i < scheme->part_count && !covered; i++) {
        covered = part_covers(scheme, &scheme->parts[i], place);
    }
    return covered;
}

/* What a scheme says of its signature and would not hold. Of the built-in ones tests say it. */
static void check_claims(const struct link *link, const struct tree *map,
                         const struct webhook_scheme *scheme)
{
    if (scheme->tolerance != WEBHOOK_NO_TOLERANCE && scheme->timestamp.kind == WEBHOOK_NOWHERE) {
        tree_report_key(link->problems, map,
                        "tolerance is a timestamp's; write timestamp: PLACE, or take it out");
    } else if (scheme->tolerance != WEBHOOK_NO_TOLERANCE && !covers(scheme, &scheme->timestamp)) {
        tree_report_key(link->problems, map,
                        "the timestamp is not in what is signed, so anyone could write a new one; "
                        "put {t} into signed, or take timestamp out");
    }
    for (unsigned i = 0; i < scheme->event_ids.count; i++) {
        const struct webhook_place *place = &scheme->event_ids.place[i];
        if (place->is_signed && !covers(scheme, place)) {
            tree_report_key(link->problems, map,
                            "an event_id is called signed, and is not in what is signed; take that "
                            "word out");
        }
    }
}

static const struct webhook_scheme *read_scheme(const struct link *link,
                                                const struct hook_section *section,
                                                const struct tree *map, const char *name)
{
    struct error err;
    struct webhook_scheme *scheme = ARENA_NEW(link->arena, struct webhook_scheme);
    CLEANUP(buffer_fini) struct buffer json;
    buffer_init(&json, SCHEME_JSON_MAX);
    if (write_scheme(section, map, &json) != STATUS_OK) {
        tree_report_key(link->problems, map, "this is longer than any scheme may be");
        return NULL;
    }
    if (webhook_scheme_read(slice_from(name), buffer_bytes(&json), link->arena, scheme, &err) !=
        STATUS_OK) {
        tree_report_key(link->problems, map, "%s",
                        has_expanded(map) ? "what ${...} stands for here makes no scheme"
                                          : err.message);
        return NULL;
    }
    check_claims(link, map, scheme);
    return scheme;
}

void link_hook_scheme(const struct link *link, const struct hook_section *section,
                      struct hook *hook)
{
    const struct tree *map = tree_get(section->node, "scheme");
    if (map == NULL) {
        hook->scheme = find_scheme(link, section);
        return;
    }
    if (section->provider != NULL) {
        tree_report_key(link->problems, map, "there is a provider, too; take one of them out");
    }
    bool is_whole = section->scheme.algorithm != NULL && section->scheme.signature != NULL;
    if (map->kind == TREE_MAP && is_whole) {
        hook->scheme = read_scheme(link, section, map, hook->name);
    }
}

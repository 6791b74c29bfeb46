/* The collector that traces and metrics are sent to. */
#include "auth/secrets/secret_store.h"
#include "base/http1.h"
#include "config/link.h"
#include "config/url.h"
#include "routes/headers.h"

static const struct slice placeholder = SLICE_INIT("{secret}");

/* Written by the exporter itself. */
static bool is_own(struct slice name)
{
    return header_name_reserved(name) || slice_equal_nocase(name, SLICE("content-type")) ||
           slice_equal_nocase(name, SLICE("content-encoding"));
}

static bool check_name(const struct link *link, const struct tree *node)
{
    const struct otlp_settings *otlp = &link->snapshot->otlp;
    struct slice name = node->key->text;
    if (!http1_valid_token(name)) {
        tree_report_key(link->problems, node, "no header can have this name");
        return false;
    }
    if (is_own(name)) {
        tree_report_key(link->problems, node, "the gateway alone writes this header; take it out");
        return false;
    }
    for (unsigned i = 0; i < otlp->header_count; i++) {
        if (slice_equal_nocase(slice_from(otlp->headers[i].name), name)) {
            tree_report_key(link->problems, node, "this header is there already; keep one of them");
            return false;
        }
    }
    return true;
}

static bool check_value(const struct link *link, const struct tree *node)
{
    if (http1_valid_field_value(node->text) && slice_trim(node->text).len == node->text.len) {
        return true;
    }
    tree_report(link->problems, node,
                "no header can have this value: line breaks and control characters, and blanks at "
                "its ends");
    return false;
}

/* Where `wanted` begins in `text`, or text.len. */
static size_t find_text(struct slice text, struct slice wanted)
{
    size_t at = 0;
    while (at < text.len && !slice_starts_with(slice_skip(text, at), wanted)) {
        at++;
    }
    return at;
}

/* Splits the value at "{secret}". */
static void take_template(const struct link *link, const struct tree *value,
                          struct otlp_header *header)
{
    if (value == NULL || !check_value(link, value)) {
        return;
    }
    size_t at = find_text(value->text, placeholder);
    struct slice after = slice_skip(value->text, at + placeholder.len);
    if (at == value->text.len || find_text(after, placeholder) < after.len) {
        tree_report(link->problems, value,
                    "write {secret} once, where the secret goes, as in "
                    "\"Bearer {secret}\"");
        return;
    }
    header->before = link_keep_slice(link, slice_make(value->text.ptr, at));
    header->after = link_keep_slice(link, after);
}

static void take_secret(const struct link *link, const struct tree *node,
                        struct otlp_header *header)
{
    struct otlp_header_section section;
    const struct fields_sink sink = {.arena = link->arena, .problems = link->problems};
    fields_bind(&sink, node, otlp_header_fields, &section);
    if (section.secret != NULL) {
        link_check_secret(link, section.secret);
        header->secret_name = link_keep_slice(link, section.secret->text).ptr;
    }
    take_template(link, section.value, header);
}

static void take_header(const struct link *link, const struct tree *node)
{
    struct otlp_settings *otlp = &link->snapshot->otlp;
    if (node->faulty || !check_name(link, node)) {
        return;
    }
    struct otlp_header *header = &otlp->headers[otlp->header_count++];
    header->name = link_keep_slice(link, node->key->text).ptr;
    if (node->kind == TREE_MAP) {
        take_secret(link, node, header);
    } else if (check_value(link, node)) {
        header->before = link_keep_slice(link, node->text);
    }
}

static void take_headers(const struct link *link, const struct tree *headers)
{
    if (headers == NULL) {
        return;
    }
    if (headers->count > OTLP_HEADERS_MAX) {
        tree_report(link->problems, headers, "%u headers, and %d are the most", headers->count,
                    OTLP_HEADERS_MAX);
        return;
    }
    for (unsigned i = 0; i < headers->count; i++) {
        take_header(link, headers->items[i]);
    }
}

static void take_url(const struct link *link, const struct tree *node)
{
    struct url url;
    struct error err;
    if (url_parse(link->arena, node->text, &url, &err) != STATUS_OK) {
        link_report(link, node, "a collector's URL", &err);
        return;
    }
    link->snapshot->otlp.url = arena_print(link->arena, "%s://%s%.*s", url.tls ? "https" : "http",
                                           url.authority, SLICE_ARG(url.path));
}

void link_otlp(struct link *link)
{
    const struct otlp_section *section = &link->sections->otlp;
    struct otlp_settings *otlp = &link->snapshot->otlp;
    if (section->url == NULL) {
        return; /* there is none, or it was reported */
    }
    take_url(link, section->url);
    take_headers(link, section->headers);
    otlp->traces = section->traces == OTLP_ON;
    otlp->metrics = section->metrics == OTLP_ON;
    otlp->sample = section->sample;
    otlp->every = section->every;
    otlp->service = section->service == NULL ? DEFAULT_OTLP_SERVICE
                                             : link_keep_slice(link, section->service->text).ptr;
}

void link_otlp_take_slots(struct otlp_settings *otlp, struct secret_store *store)
{
    for (unsigned i = 0; store != NULL && i < otlp->header_count; i++) {
        struct otlp_header *header = &otlp->headers[i];
        header->slot =
            header->secret_name == NULL ? NULL : secret_slot_ref(store, header->secret_name);
    }
}

void link_otlp_drop_slots(struct otlp_settings *otlp)
{
    for (unsigned i = 0; i < otlp->header_count; i++) {
        if (otlp->headers[i].slot != NULL) {
            secret_slot_unref(otlp->headers[i].slot);
        }
    }
}

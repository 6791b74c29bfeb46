/* Tenants' keys: their hashes, and the times that they are good for. */
#include "auth/inbound/webhook_timestamp.h"
#include "config/link.h"

#include <stdlib.h>

enum { LABEL_BYTES_MAX = 100 };

/* The tenant's map, of the node of a key or of its hash. */
static const struct tree *tenant_of(const struct tree *node)
{
    const struct tree *list = node->parent->kind == TREE_LIST ? node->parent : node->parent->parent;
    return list->parent;
}

/* What was read is never shown: it might be the key itself. */
static void report_bad_key(const struct link *link, const struct tree *node)
{
    struct slice tenant = tenant_of(node)->key->source;
    if (slice_starts_with(node->text, SLICE("sp_"))) {
        tree_report(link->problems, node,
                    "this is a key itself, which no config may hold; write its hash, and make a "
                    "new one if others could read this: sallyport keys new --tenant %s",
                    QUOTE(tenant));
    } else {
        tree_report(link->problems, node,
                    "no key's hash; write \"sha256:\" and 64 hex digits, as `sallyport keys new "
                    "--tenant %s` prints them",
                    QUOTE(tenant));
    }
}

static usec_t read_time(const struct link *link, const struct tree *node)
{
    int64_t msec = 0;
    if (node == NULL) {
        return 0;
    }
    if (!webhook_timestamp_read(node->text, WEBHOOK_RFC3339, &msec) || msec <= 0) {
        tree_report(link->problems, node,
                    "\"%s\" is no time; write one such as "
                    "2026-12-01T00:00:00Z, in UTC",
                    QUOTE(node->source));
        return 0;
    }
    return msec * MSEC;
}

/* It is shown where keys are, so nothing that could be one, or garble a terminal. */
static const char *read_label(const struct link *link, const struct tree *node)
{
    if (node == NULL) {
        return NULL;
    }
    bool plain = node->text.len <= LABEL_BYTES_MAX;
    for (size_t i = 0; i < node->text.len && plain; i++) {
        plain = (unsigned char)node->text.ptr[i] >= ' ' && node->text.ptr[i] != 127;
    }
    if (!plain) {
        tree_report(link->problems, node, "a label is %d bytes at most, without control characters",
                    LABEL_BYTES_MAX);
        return NULL;
    }
    return link_keep_slice(link, node->text).ptr;
}

/* The scalar with the hash; NULL: there is none. */
static const struct tree *read_entry(const struct link *link, const struct tree *node,
                                     struct tenant_key *key)
{
    if (node->kind != TREE_MAP) {
        return node;
    }
    struct tenant_key_section section;
    const struct fields_sink sink = {.arena = link->arena, .problems = link->problems};
    fields_bind(&sink, node, tenant_key_fields, &section);
    key->not_before = read_time(link, section.not_before);
    key->expires = read_time(link, section.expires);
    key->label = read_label(link, section.label);
    if (key->expires != 0 && key->expires <= key->not_before) {
        tree_report(link->problems, section.expires,
                    "this is not after not_before: the key would never be good");
    }
    return section.hash;
}

void link_keys(const struct link *link, const struct tenant_section *section, struct table *seen,
               struct tenant *tenant)
{
    unsigned count = link_text_count(section->keys);
    struct tenant_key *keys = ARENA_ARRAY(link->arena, struct tenant_key, count + 1);
    tenant->keys = keys;
    for (unsigned i = 0; i < count; i++) {
        const struct tree *entry = link_text(section->keys, i);
        struct tenant_key *key = &keys[tenant->key_count];
        *key = (struct tenant_key){0};
        const struct tree *node = entry->faulty ? NULL : read_entry(link, entry, key);
        if (node == NULL) {
            continue;
        }
        if (!api_key_hash_parse(node->text, &key->hash)) {
            report_bad_key(link, node);
            continue;
        }
        const struct tree *twin =
            table_add(seen, slice_make((const char *)key->hash.bytes, SHA256_BYTES), (void *)node);
        if (twin != NULL) {
            tree_report(link->problems, node,
                        "this key is listed already, for tenant \"%s\" at %s; make a key for "
                        "each: sallyport keys new --tenant %s",
                        QUOTE(tenant_of(twin)->key->source), TREE_PLACE(twin, node),
                        QUOTE(section->node->key->source));
            continue;
        }
        tenant->key_count++;
    }
}

static int by_time(const void *left, const void *right)
{
    usec_t a = *(const usec_t *)left;
    usec_t b = *(const usec_t *)right;
    return a < b ? -1 : a > b;
}

static unsigned collect_expiries(const struct snapshot *snapshot, usec_t *times)
{
    unsigned count = 0;
    for (unsigned i = 0; i < snapshot->tenant_count; i++) {
        const struct tenant *tenant = snapshot->tenants[i];
        for (unsigned k = 0; k < tenant->key_count; k++) {
            if (tenant->keys[k].expires == 0) {
                continue;
            }
            if (times != NULL) {
                times[count] = tenant->keys[k].expires;
            }
            count++;
        }
    }
    return count;
}

void link_key_expiries(const struct link *link)
{
    struct snapshot *snapshot = link->snapshot;
    unsigned count = collect_expiries(snapshot, NULL);
    if (count == 0) {
        return;
    }
    usec_t *times = ARENA_ARRAY(link->arena, usec_t, count);
    (void)collect_expiries(snapshot, times);
    qsort(times, count, sizeof(usec_t), by_time);
    snapshot->key_expiries = times;
    snapshot->key_expiry_count = count;
}

usec_t snapshot_next_key_expiry(const struct snapshot *snapshot, usec_t wall)
{
    unsigned low = 0;
    unsigned high = snapshot->key_expiry_count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (snapshot->key_expiries[middle] <= wall) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < snapshot->key_expiry_count ? snapshot->key_expiries[low] : 0;
}

#include "gateway/tenant_report.h"

#include "auth/inbound/jwt_issuer.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "config/snapshot.h"
#include "gateway/observe/timestamp.h"
#include "gateway/upstream/standing.h"
#include "limiter/limit.h"
#include "routes/allow.h"
#include "routes/deny.h"

#include <inttypes.h>

enum { HASH_SHOWN = 7 + 8 }; /* "sha256:" and some digits: enough to know it again */

static enum status put_text(struct buffer *out, const char *name, struct slice text)
{
    TRY(buffer_print(out, "\"%s\":", name));
    TRY(encode_json_string(text, out));
    return buffer_append(out, SLICE(","));
}

static enum status put_item(struct buffer *out, unsigned index, struct slice text)
{
    TRY(buffer_append(out, index == 0 ? SLICE("") : SLICE(",")));
    return encode_json_string(text, out);
}

/* ---- keys ---- */

const char *tenant_report_state(enum tenant_key_state state)
{
    switch (state) {
    case TENANT_KEY_GOOD:
        return "good";
    case TENANT_KEY_EARLY:
        return "not yet good";
    case TENANT_KEY_EXPIRED:
        return "expired";
    }
    return "";
}

static enum status put_time(const char *name, usec_t wall, struct buffer *out)
{
    char text[TIMESTAMP_LEN];
    if (wall == 0) {
        return STATUS_OK;
    }
    (void)timestamp_write(wall, text);
    return buffer_print(out, ",\"%s\":\"%.*s\"", name, TIMESTAMP_LEN, text);
}

enum status tenant_report_key(const struct tenant_key *key, enum tenant_hash hash, usec_t wall,
                              struct buffer *out)
{
    char text[API_KEY_HASH_TEXT + 1];
    bool whole = hash == TENANT_HASH_WHOLE;
    api_key_hash_print(&key->hash, text);
    TRY(buffer_print(out, "{\"hash\":\"%.*s%s\",\"state\":\"%s\"",
                     whole ? API_KEY_HASH_TEXT : HASH_SHOWN, text, whole ? "" : "...",
                     tenant_report_state(tenant_key_state(key, wall))));
    TRY(put_time("not_before", key->not_before, out));
    TRY(put_time("expires", key->expires, out));
    if (key->label != NULL) {
        TRY(buffer_append(out, SLICE(",\"label\":")));
        TRY(encode_json_string(slice_from(key->label), out));
    }
    return buffer_append(out, SLICE("}"));
}

/* ---- tokens ---- */

/* A name of a JSON Pointer: '~' and '/' are written as "~0" and "~1" (RFC 6901, section 3). */
static enum status put_name(struct slice name, struct buffer *out)
{
    while (name.len > 0) {
        size_t tilde = slice_find(name, '~');
        size_t slash = slice_find(name, '/');
        size_t plain = tilde < slash ? tilde : slash;
        TRY(encode_json(slice_make(name.ptr, plain), out));
        if (plain < name.len) {
            TRY(buffer_append(out, tilde < slash ? SLICE("~0") : SLICE("~1")));
        }
        name = slice_skip(name, plain + 1);
    }
    return STATUS_OK;
}

/* Which the config takes for any claim. */
static enum status put_pointer(const struct jwt_claim *claim, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("\"")));
    for (unsigned i = 0; i < claim->depth; i++) {
        TRY(buffer_append(out, SLICE("/")));
        TRY(put_name(slice_from(claim->path[i]), out));
    }
    return buffer_append(out, SLICE("\":"));
}

static enum status put_algorithms(unsigned kinds, struct buffer *out)
{
    unsigned count = 0;
    for (enum key_kind kind = 0; kind < KEY_KINDS; kind++) {
        if ((kinds & 1U << kind) != 0) {
            TRY(put_item(out, count++, key_kind_name(kind)));
        }
    }
    return STATUS_OK;
}

static enum status put_token(const struct jwt_rule *rule, struct buffer *out)
{
    const struct key_site *site = rule->issuer->site;
    TRY(buffer_append(out, SLICE("{")));
    TRY(put_text(out, "issuer", rule->issuer->name));
    TRY(put_text(out, "audience", rule->audience));
    TRY(put_text(out, "jwks", site == NULL ? SLICE("file") : slice_from(site->url)));
    TRY(buffer_append(out, SLICE("\"claims\":{")));
    for (unsigned i = 0; i < rule->claim_count; i++) {
        TRY(buffer_append(out, i == 0 ? SLICE("") : SLICE(",")));
        TRY(put_pointer(&rule->claims[i], out));
        TRY(encode_json_string(rule->claims[i].value, out));
    }
    TRY(buffer_append(out, SLICE("},\"algorithms\":[")));
    TRY(put_algorithms(rule->kinds, out));
    return buffer_append(out, SLICE("]}"));
}

/* ---- what it may call ---- */

/* "ROUTE", "ROUTE:METHOD PATH" as an allow rule is written. */
static enum status put_rules(const struct tenant *tenant, const struct snapshot *snapshot,
                             struct buffer *out)
{
    bool first = true;
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        const struct allow_rule *rule = tenant_rules(tenant, i);
        for (; rule != NULL; rule = rule->next) {
            TRY(buffer_append(out, first ? SLICE("\"") : SLICE(",\"")));
            first = false;
            TRY(encode_json(slice_from(snapshot->routes[i]->name), out));
            if (rule->path.len > 0) {
                TRY(buffer_append(out, SLICE(":")));
                TRY(encode_json(rule->method.len > 0 ? rule->method : SLICE("*"), out));
                TRY(buffer_append(out, SLICE(" ")));
                TRY(encode_json(rule->path, out));
            }
            TRY(buffer_append(out, SLICE("\"")));
        }
    }
    return STATUS_OK;
}

static enum status put_denials(const struct tenant *tenant, struct buffer *out)
{
    unsigned count = 0;
    for (const struct deny_rule *rule = tenant->denials; rule != NULL; rule = rule->next) {
        count++;
    }
    return buffer_print(out, "],\"deny\":{\"rules\":%u,\"refused\":%" PRIu64 "},", count,
                        tenant_standing_denied(tenant->standing));
}

/* ---- all ---- */

static enum status put_ways_in(const struct tenant *tenant, usec_t wall, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("\"keys\":[")));
    for (unsigned i = 0; i < tenant->key_count; i++) {
        TRY(buffer_append(out, i == 0 ? SLICE("") : SLICE(",")));
        TRY(tenant_report_key(&tenant->keys[i], TENANT_HASH_SHORT, wall, out));
    }
    TRY(buffer_append(out, SLICE("],\"jwt\":[")));
    const struct jwt_rule *rule = tenant->tokens;
    for (; rule != NULL; rule = rule->next_of_tenant) {
        TRY(buffer_append(out, rule == tenant->tokens ? SLICE("") : SLICE(",")));
        TRY(put_token(rule, out));
    }
    TRY(buffer_append(out, SLICE("],\"mtls\":[")));
    for (unsigned i = 0; i < tenant->san_count; i++) {
        TRY(put_item(out, i, tenant->sans[i]));
    }
    return buffer_append(out, SLICE("],"));
}

static enum status put_tenant(const struct tenant *tenant, const struct snapshot *snapshot,
                              usec_t wall, struct buffer *out)
{
    TRY(buffer_append(out, tenant->index == 0 ? SLICE("{") : SLICE(",\n{")));
    TRY(put_text(out, "tenant", slice_from(tenant->name)));
    TRY(put_ways_in(tenant, wall, out));
    TRY(buffer_append(out, SLICE("\"allow\":[")));
    TRY(put_rules(tenant, snapshot, out));
    TRY(put_denials(tenant, out));
    TRY(buffer_append(out, SLICE("\"quotas\":[")));
    for (unsigned i = 0; tenant->limits != NULL && i < tenant->limits->count; i++) {
        TRY(put_item(out, i, slice_from(tenant->limits->limits[i]->name)));
    }
    return buffer_print(out, "],\"max_in_flight\":%u}", tenant->max_in_flight);
}

enum status tenant_report_write(const struct snapshot *snapshot, usec_t wall, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("{\"tenants\":[\n")));
    for (unsigned i = 0; i < snapshot->tenant_count; i++) {
        TRY(put_tenant(snapshot->tenants[i], snapshot, wall, out));
    }
    return buffer_append(out, SLICE("\n]}\n"));
}

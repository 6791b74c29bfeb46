#include "gateway/quota_report.h"

#include "auth/inbound/tenant.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "config/snapshot.h"
#include "gateway/admin/admin_server.h"
#include "gateway/observe/audit_log.h"
#include "gateway/quota_items.h"
#include "gateway/quotas_state.h"
#include "limiter/limit_text.h"
#include "limiter/store_memory.h"
#include "limiter/store_redis.h"
#include "limiter/window.h"

#include <inttypes.h>
#include <string.h>

/* What reads and changes counts; of Redis over a connection of its own. */
struct reader {
    struct quotas *quotas;
    struct store_redis_admin *redis;   /* NULL: memory */
    const struct quota_change *change; /* NULL: only read */
    unsigned found;
    struct buffer *out;
    enum status status;
    struct error *err;
};

static enum status open_reader(struct quotas *quotas, struct buffer *out, struct error *err,
                               struct reader *ret)
{
    *ret = (struct reader){.quotas = quotas, .out = out, .err = err, .status = STATUS_OK};
    return quotas->redis == NULL ? STATUS_OK
                                 : store_redis_admin_open(quotas->redis, &ret->redis, err);
}

static void close_reader(struct reader *reader)
{
    if (reader->redis != NULL) {
        store_redis_admin_close(reader->redis);
    }
}

static enum status read_entry(const struct reader *reader, const struct quota_item *item,
                              struct store_entry *ret)
{
    if (reader->redis != NULL) {
        return store_redis_admin_read(reader->redis, item->limit, item->key, item->tenant, ret,
                                      reader->err);
    }
    if (!store_memory_read(reader->quotas->memory, item->limit, item->key, ret)) {
        *ret = (struct store_entry){.key = item->key, .span = item->limit->span};
    }
    return STATUS_OK;
}

static enum status change_entry(const struct reader *reader, const struct quota_item *item)
{
    const struct quota_change *change = reader->change;
    const struct limit *limit = item->limit;
    if (reader->redis != NULL) {
        return change->raise
                   ? store_redis_admin_raise(reader->redis, limit, item->key, change->by,
                                             reader->err)
                   : store_redis_admin_reset(reader->redis, limit, item->key, reader->err);
    }
    /* An unknown key has used nothing: there is nothing to be forgotten, and nothing to be raised.
     */
    (void)(change->raise ? store_memory_raise(reader->quotas->memory, limit, item->key, change->by)
                         : store_memory_reset(reader->quotas->memory, limit, item->key));
    return STATUS_OK;
}

/* ---- JSON ---- */

static enum status put_text(struct buffer *out, const char *name, const char *text)
{
    TRY(buffer_print(out, "\"%s\":", name));
    TRY(encode_json_string(slice_from(text), out));
    return buffer_append(out, SLICE(","));
}

static enum status put_rule(const struct quota_item *item, struct buffer *out)
{
    const struct limit *limit = item->limit;
    char span[LIMIT_SPAN_TEXT_MAX];
    char text[LIMIT_TEXT_MAX];
    limit_span_text(limit, span);
    limit_text(limit, text);
    TRY(put_text(out, "tenant", item->tenant));
    TRY(put_text(out, "quota", limit->name));
    TRY(put_text(out, "route", item->route));
    TRY(put_text(out, "unit", limit_unit_name(limit->unit)));
    TRY(put_text(out, "per", span));
    TRY(put_text(out, "rule", text));
    return put_text(out, "action", limit->action == LIMIT_DENY ? "deny" : "warn");
}

/* When all of it is there again: the window's end, or the bucket is full. Of slots: 0, for nobody
 * knows. */
static int64_t resets_ms(const struct limit *limit, uint64_t used)
{
    int64_t now_ms = clock_wall() / MSEC;
    switch (limit->span) {
    case LIMIT_DAYS:
    case LIMIT_WEEK:
    case LIMIT_MONTH:
        return window_at(limit, now_ms).end_ms - now_ms;
    case LIMIT_RATE:
        return (int64_t)((__uint128_t)used * (uint64_t)(limit->period / MSEC) / limit->amount);
    case LIMIT_HELD:
        break;
    }
    return 0;
}

static enum status put_counts(const struct limit *limit, const struct store_entry *entry,
                              struct buffer *out)
{
    uint64_t whole = limit_whole(limit);
    return buffer_print(
        out,
        "\"limit\":%" PRIu64 ",\"burst\":%" PRIu64 ",\"used\":%" PRIu64 ",\"left\":%" PRIu64
        ",\"reserved\":%" PRIu64 ",\"taken\":%" PRIu64 ",\"settled\":%" PRIu64
        ",\"refunded\":%" PRIu64 ",\"open\":%" PRIu64 ",\"resets_ms\":%" PRId64 ",\"adds_up\":%s}",
        limit->amount, whole, entry->used, entry->used < whole ? whole - entry->used : 0,
        entry->reserved, entry->taken, entry->settled, entry->refunded, entry->open,
        resets_ms(limit, entry->used), store_entry_adds_up(entry) ? "true" : "false");
}

static enum status put_item(const struct reader *reader, const struct quota_item *item)
{
    struct store_entry entry;
    TRY(read_entry(reader, item, &entry));
    TRY(buffer_append(reader->out, reader->found == 0 ? SLICE("{") : SLICE(",\n{")));
    TRY(put_rule(item, reader->out));
    return put_counts(item->limit, &entry, reader->out);
}

static bool visit_item(void *ctx, const struct quota_item *item)
{
    struct reader *reader = ctx;
    reader->status = put_item(reader, item);
    reader->found++;
    return reader->status == STATUS_OK;
}

static enum status check_tenant(const struct snapshot *snapshot, const char *name,
                                struct error *err)
{
    if (name != NULL && snapshot_tenant(snapshot, name) == NULL) {
        FAIL(err, STATUS_NOT_FOUND, "no tenant of the config in force is called \"%s\"", name);
    }
    return STATUS_OK;
}

static enum status put_list(struct reader *reader, const struct snapshot *snapshot,
                            const char *tenant)
{
    TRY(buffer_append(reader->out, SLICE("{")));
    TRY(put_text(reader->out, "store",
                 reader->redis == NULL ? "memory:" : snapshot->store.address.url_shown));
    TRY(buffer_append(reader->out, SLICE("\"quotas\":[\n")));
    quota_items_each(snapshot, tenant, visit_item, reader);
    TRY(reader->status);
    return buffer_append(reader->out, SLICE("\n]}\n"));
}

enum status quota_report_list(struct quotas *quotas, const struct snapshot *snapshot,
                              const char *tenant, struct buffer *out, struct error *err)
{
    struct reader reader;
    TRY(check_tenant(snapshot, tenant, err));
    TRY(open_reader(quotas, out, err, &reader));
    enum status status = put_list(&reader, snapshot, tenant);
    close_reader(&reader);
    if (status == STATUS_TOO_LARGE) {
        FAIL(err, STATUS_INVALID, "these are too many for one answer: ask for one tenant");
    }
    return status;
}

/* ---- changes ---- */

static bool is_meant(const struct quota_change *change, const struct quota_item *item)
{
    return strcmp(item->limit->name, change->quota) == 0 &&
           strcmp(item->tenant, change->tenant) == 0 && strcmp(item->route, change->route) == 0;
}

static bool visit_change(void *ctx, const struct quota_item *item)
{
    struct reader *reader = ctx;
    const struct quota_change *change = reader->change;
    if (!is_meant(change, item)) {
        return true;
    }
    reader->status = change_entry(reader, item);
    if (reader->status == STATUS_OK) {
        char amount[LIMIT_AMOUNT_TEXT_MAX];
        limit_amount_text(item->limit->unit, change->by, amount);
        const struct audit_event event = {.kind = AUDIT_ADMIN_QUOTA,
                                          .tenant = change->tenant,
                                          .route = change->route[0] == '\0' ? NULL : change->route,
                                          .quota = change->quota,
                                          .peer = change->peer};
        audit(LOG_LEVEL_WARN, &event, "admin: quota \"%s\" of tenant \"%s\" was %s%s",
              change->quota, change->tenant, change->raise ? "raised by " : "reset",
              change->raise ? amount : "");
        reader->status = put_item(reader, item);
    }
    reader->found++;
    return false;
}

enum status quota_report_change(struct quotas *quotas, const struct snapshot *snapshot,
                                const struct quota_change *change, struct buffer *out,
                                struct error *err)
{
    struct reader reader;
    TRY(open_reader(quotas, out, err, &reader));
    reader.change = change;
    quota_items_each(snapshot, change->tenant[0] == '\0' ? NULL : change->tenant, visit_change,
                     &reader);
    close_reader(&reader);
    TRY(reader.status);
    if (reader.found == 0 && change->tenant[0] == '\0') {
        FAIL(err, STATUS_NOT_FOUND,
             "no quota over all tenants is called \"%s\"; of a tenant's own say the tenant, too; "
             "`sallyport quotas` lists them",
             change->quota);
    }
    if (reader.found == 0) {
        FAIL(err, STATUS_NOT_FOUND,
             "no quota \"%s\" of tenant \"%s\"; `sallyport quotas` lists them", change->quota,
             change->tenant);
    }
    return buffer_append(out, SLICE("\n"));
}

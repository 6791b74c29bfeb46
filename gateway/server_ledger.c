#include "gateway/server_ledger.h"

#include "base/buffer.h"
#include "base/field_values.h"
#include "config/snapshot.h"
#include "gateway/ledger/ledger.h"
#include "gateway/ledger/ledger_format.h"
#include "gateway/ledger/ledger_query.h"
#include "gateway/ledger/ledger_settlement.h"
#include "gateway/observe/families.h"
#include "gateway/observe/metrics.h"
#include "gateway/observe/timestamp.h"
#include "gateway/quotas.h"
#include "gateway/quotas_refill.h"
#include "gateway/request_report.h"
#include "gateway/server_state.h"
#include "limiter/past_windows.h"

#include <string.h>

#define USUAL_SPAN (24 * 3600 * SEC)

static void add_past(void *ctx, const struct ledger_charge *charge)
{
    const struct past_window window = {.hash = charge->hash,
                                       .start_ms = charge->start_ms,
                                       .end_ms = charge->end_ms,
                                       .used = charge->amount};
    past_windows_add(ctx, &window);
}

/* Those of one reservation follow each other. */
static void add_left(void *ctx, const struct ledger_row *row)
{
    struct quotas *quotas = ctx;
    char id[sizeof(row->id)];
    memcpy(id, row->id, sizeof(id));
    for (unsigned i = 0; i < row->settle_count;) {
        uint64_t used[RESERVATION_DEMANDS_MAX] = {0};
        unsigned count = 0;
        id[0] = row->settles[i].first;
        for (; i < row->settle_count && row->settles[i].first == id[0]; i++) {
            unsigned index = row->settles[i].index;
            if (index < RESERVATION_DEMANDS_MAX) { /* a file may say anything */
                used[index] = row->settles[i].used;
                count = index + 1 > count ? index + 1 : count;
            }
        }
        quotas_settle_left(quotas, id, row->tenant, used, count);
    }
}

static void add_provider(struct ledger_settleable *settleable, const char *name)
{
    const unsigned most = sizeof(settleable->providers) / sizeof(settleable->providers[0]);
    for (unsigned i = 0; i < settleable->count; i++) {
        if (strcmp(settleable->providers[i], name) == 0) {
            return;
        }
    }
    if (name[0] == '\0' || settleable->count == most) {
        settleable->any = true;
    } else {
        LEDGER_TEXT(settleable->providers[settleable->count], slice_from(name));
        settleable->count++;
    }
}

static struct ledger_settleable settleable_of(const struct snapshot *snapshot)
{
    struct ledger_settleable settleable = {0};
    for (unsigned i = 0; i < snapshot->hook_count; i++) {
        const struct hook *hook = snapshot->hooks[i];
        for (unsigned k = 0; k < hook->settle_count; k++) {
            add_provider(&settleable, hook->settles[k].provider);
        }
    }
    return settleable;
}

enum status server_ledger_start(struct server *server, struct error *err)
{
    const struct ledger_config *config = &server->snapshot->ledger;
    if (config->path == NULL) {
        return STATUS_OK;
    }
    struct past_windows *past = past_windows_new();
    const struct ledger_settings settings = {
        .path = config->path,
        .keep = config->keep,
        .max_bytes = config->max_bytes,
        .workers = server->snapshot->gateway.workers,
        .left = server->snapshot->store.redis ? add_left : NULL,
        .left_ctx = server->quotas,
        .past = server->snapshot->store.redis ? NULL : add_past,
        .ctx = past,
        .settleable = settleable_of(server->snapshot)};
    enum status status = ledger_start(&settings, &server->ledger, err);
    if (status != STATUS_OK) {
        past_windows_free(past);
        error_prefix(err, "ledger.url");
        return status;
    }
    past_windows_finish(past, ledger_seed(server->ledger));
    quotas_recall(server->quotas, past);
    quotas_refill_begin(server->quotas, server->ledger);
    return STATUS_OK;
}

void server_ledger_adopt(struct server *server)
{
    if (server->ledger != NULL) {
        ledger_set_keep(server->ledger, server->snapshot->ledger.keep);
        struct ledger_settleable settleable = settleable_of(server->snapshot);
        ledger_set_settleable(server->ledger, &settleable);
        ledger_tell_differences_again(server->ledger); /* of a rule that is back */
    }
}

static void count_settled(void *ctx, const struct ledger_settled *settled)
{
    struct metrics_block *metrics = ctx;
    for (unsigned i = 0; i < LEDGER_SETTLE_RESULTS; i++) {
        const char *labels[] = {settled->hook,
                                ledger_settle_result_name((enum ledger_settle_result)i)};
        if (settled->results[i] > 0) {
            metrics_count(metrics, FAMILY_webhook_settlements_total, labels, settled->results[i]);
        }
    }
    const char *labels[] = {settled->hook};
    metrics_count(metrics, FAMILY_settled_added_usd_total, labels, settled->added);
    metrics_count(metrics, FAMILY_settled_returned_usd_total, labels, settled->taken_off);
}

void server_ledger_count(const struct server *server)
{
    struct metrics_block *metrics = server->metrics_block;
    struct ledger_stats stats = {.writable = true};
    if (server->ledger != NULL) {
        ledger_get_stats(server->ledger, &stats);
        ledger_take_settled(server->ledger, metrics, count_settled);
    }
    metrics_set(metrics, METRIC_ledger_rows_total, (int64_t)stats.rows_written);
    metrics_set(metrics, METRIC_ledger_folded_total, (int64_t)stats.rows_folded);
    metrics_set(metrics, METRIC_ledger_write_failures_total, (int64_t)stats.write_failures);
    metrics_set(metrics, METRIC_ledger_backlog, (int64_t)stats.backlog);
    metrics_set(metrics, METRIC_ledger_up, stats.writable);
}

static enum status open_reader(const struct server *server, struct ledger_reader **ret,
                               struct error *err)
{
    if (server->ledger == NULL) {
        FAIL(err, STATUS_NOT_FOUND,
             "there is no ledger: write ledger: {url: \"sqlite:usage.db\"} into the config");
    }
    return ledger_reader_open(server->snapshot->ledger.path, ret, err);
}

/* ---- one request ---- */

enum status server_ledger_request(const struct server *server, const char *id, struct buffer *out,
                                  struct error *err)
{
    struct ledger_reader *reader = NULL;
    struct ledger_row row;
    TRY(open_reader(server, &reader, err));
    enum status status = ledger_find(reader, id, &row, err);
    ledger_reader_close(reader);
    if (status == STATUS_NOT_FOUND) {
        FAIL(err, STATUS_NOT_FOUND,
             "no request \"%s\" is in the ledger: it runs still, had no tenant, was of another "
             "gateway, or is older than ledger.keep",
             id);
    }
    TRY(status);
    return request_report_write(&row, out);
}

enum status server_ledger_maker(const struct server *server, const char *object, struct buffer *out,
                                struct error *err)
{
    struct ledger_reader *reader = NULL;
    struct ledger_row row;
    TRY(open_reader(server, &reader, err));
    enum status status = ledger_find_object(reader, object, &row, err);
    ledger_reader_close(reader);
    if (status == STATUS_NOT_FOUND) {
        FAIL(err, STATUS_NOT_FOUND,
             "no request in the ledger made \"%s\": its profile may not say what such calls make, "
             "or it is older than ledger.keep",
             object);
    }
    TRY(status);
    return request_report_write(&row, out);
}

/* ---- sums ---- */

static enum status read_by(const char *text, enum ledger_by *ret, struct error *err)
{
    static const enum ledger_by all[] = {LEDGER_BY_TENANT, LEDGER_BY_ROUTE, LEDGER_BY_MODEL,
                                         LEDGER_BY_DAY};
    *ret = LEDGER_BY_NOTHING;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && text[0] != '\0'; i++) {
        if (strcmp(text, ledger_by_name(all[i])) == 0) {
            *ret = all[i];
            return STATUS_OK;
        }
    }
    if (text[0] != '\0') {
        FAIL(err, STATUS_INVALID, "by: one of tenant, route, model, day");
    }
    return STATUS_OK;
}

static enum status read_since(const char *text, usec_t *ret, struct error *err)
{
    usec_t now = clock_wall();
    int64_t span = USUAL_SPAN;
    if (text[0] != '\0' &&
        field_number_parse(FIELD_KIND_DURATION, slice_from(text), &span, NULL) != STATUS_OK) {
        FAIL(err, STATUS_INVALID, "since: a time back from now, such as 24h or 30d");
    }
    *ret = span < now ? now - span : 0;
    return STATUS_OK;
}

struct sums {
    enum ledger_by by;
    struct buffer *out;
    unsigned count;
    enum status status;
};

static enum status put_sum(struct sums *sums, const struct ledger_sum *sum)
{
    TRY(sums->status);
    TRY(buffer_append(sums->out, sums->count++ == 0 ? SLICE("") : SLICE(",\n")));
    return ledger_sum_json(sum, sums->by, sums->out);
}

static void add_sum(void *ctx, const struct ledger_sum *sum)
{
    struct sums *sums = ctx;
    sums->status = put_sum(sums, sum);
}

static const char *or_any(const char *name)
{
    return name[0] == '\0' ? NULL : name;
}

/* ---- objects ---- */

enum { OBJECTS_MAX = 1000 }; /* that are told at a time */

struct objects {
    struct buffer *out;
    unsigned count;
    enum status status;
};

static enum status put_row(struct objects *objects, const struct ledger_row *row)
{
    TRY(objects->status);
    TRY(buffer_append(objects->out, objects->count++ == 0 ? SLICE("") : SLICE(",\n")));
    return ledger_object_json(row, objects->out);
}

static void add_object(void *ctx, const struct ledger_row *row)
{
    struct objects *objects = ctx;
    objects->status = put_row(objects, row);
}

static enum status put_objects(struct ledger_reader *reader, struct ledger_filter *filter,
                               const struct usage_question *question, struct buffer *out,
                               struct error *err)
{
    struct objects objects = {.out = out};
    filter->type = or_any(question->type);
    filter->object = or_any(question->object);
    filter->most = OBJECTS_MAX;
    TRY(buffer_append(out, SLICE("\"objects\":[\n")));
    TRY(ledger_objects(reader, filter, &objects, add_object, err));
    return objects.status;
}

static enum status put_sums(struct ledger_reader *reader, const struct ledger_filter *filter,
                            struct buffer *out, struct error *err)
{
    struct sums sums = {.by = filter->by, .out = out};
    TRY(buffer_append(out, SLICE("\"usage\":[\n")));
    TRY(ledger_sums(reader, filter, &sums, add_sum, err));
    return sums.status;
}

enum status server_ledger_usage(const struct server *server, const struct usage_question *question,
                                struct buffer *out, struct error *err)
{
    char when[TIMESTAMP_LEN];
    struct ledger_reader *reader = NULL;
    struct ledger_filter filter = {.tenant = or_any(question->tenant),
                                   .route = or_any(question->route),
                                   .model = or_any(question->model)};
    TRY(read_by(question->by, &filter.by, err));
    TRY(read_since(question->since, &filter.since, err));
    TRY(open_reader(server, &reader, err));
    (void)timestamp_write(filter.since, when);
    enum status status = buffer_print(out, "{\"since\":\"%.*s\",", TIMESTAMP_LEN, when);
    if (status == STATUS_OK) {
        status = question->objects ? put_objects(reader, &filter, question, out, err)
                                   : put_sums(reader, &filter, out, err);
    }
    ledger_reader_close(reader);
    TRY(status);
    return buffer_append(out, SLICE("\n]}\n"));
}

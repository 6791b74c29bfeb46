/* ingress_record: what is said and counted of a webhook when it ends. */
#include "config/hook.h"
#include "gateway/client/connection.h"
#include "gateway/exchange/exchange_side.h"
#include "gateway/observe/families.h"
#include "gateway/observe/webhook_log.h"
#include "gateway/webhook/ingress_state.h"

const char *ingress_outcome_name(enum ingress_outcome outcome)
{
    switch (outcome) {
    case INGRESS_ACCEPTED:
        return "accepted";
    case INGRESS_SUSPECT:
        return "suspect";
    case INGRESS_DUPLICATE:
        return "duplicate";
    case INGRESS_DROPPED:
        return "dropped";
    case INGRESS_CHALLENGE:
        return "challenge";
    case INGRESS_REFUSED:
        return "refused";
    case INGRESS_CLIENT_LEFT:
        return "client_left";
    case INGRESS_CUT:
        return "cut";
    }
    return "";
}

/* Of what is in the queue, or was before. */
static struct slice id_of(const struct ingress *ingress)
{
    switch (ingress->outcome) {
    case INGRESS_ACCEPTED:
    case INGRESS_SUSPECT:
    case INGRESS_DROPPED:
        return slice_from(ingress->put.id);
    case INGRESS_DUPLICATE:
        return slice_from(ingress->put.stored_id);
    case INGRESS_CHALLENGE:
    case INGRESS_REFUSED:
    case INGRESS_CLIENT_LEFT:
    case INGRESS_CUT:
        break;
    }
    return slice_make("", 0);
}

static void write_log(const struct ingress *ingress)
{
    struct exchange_side *exchanges = ingress->side->exchanges;
    const struct hook *hook = ingress->hook;
    struct slice path = ingress->request->path;
    if (exchanges->scribe == NULL) {
        return;
    }
    path.len = slice_find(path, '?');
    const struct webhook_record record = {
        .wall_time = ingress->started_wall,
        .id = id_of(ingress),
        .source = connection_source(ingress->connection),
        .hook = hook == NULL ? "" : hook->name,
        .provider = hook == NULL ? slice_make("", 0) : hook->scheme->name,
        .event_id = ingress->result.event_id,
        .event_type = ingress->result.event_type,
        .outcome = ingress_outcome_name(ingress->outcome),
        .reason = ingress->reason,
        .detail = ingress->detail,
        .method = ingress->request->method_text,
        .path = path,
        .status = ingress->status,
        .request_bytes = ingress->body_whole ? ingress->body_slice.len : buffer_len(&ingress->body),
        .duration = clock_now() - ingress->started,
    };
    if (!webhook_log_format(&record, &exchanges->log)) {
        metrics_add(exchanges->metrics, METRIC_access_log_dropped_total, 1);
    }
}

static void count(const struct ingress *ingress)
{
    struct metrics_block *metrics = ingress->side->exchanges->metrics;
    bool left = ingress->outcome == INGRESS_CLIENT_LEFT;
    const char *labels[] = {ingress->hook->name, left ? "client_left" : ingress->reason};
    metrics_count(metrics, FAMILY_webhooks_received_total, labels, 1);
    if (left || ingress->outcome == INGRESS_REFUSED) {
        metrics_count(metrics, FAMILY_webhooks_refused_total, labels, 1);
    } else if (ingress->outcome == INGRESS_DUPLICATE) {
        metrics_count(metrics, FAMILY_webhooks_duplicates_total, labels, 1);
    } else if (ingress->outcome == INGRESS_SUSPECT) {
        metrics_count(metrics, FAMILY_webhooks_suspect_total, labels, 1);
    }
}

void ingress_record(const struct ingress *ingress)
{
    write_log(ingress);
    if (ingress->hook != NULL) {
        count(ingress);
    }
}

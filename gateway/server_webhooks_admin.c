#include "gateway/server_webhooks_admin.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "gateway/observe/audit_log.h"
#include "gateway/observe/metrics.h"
#include "gateway/server_state.h"
#include "gateway/webhook_question.h"
#include "gateway/webhook_report.h"
#include "gateway/webhook_sums.h"

#include <inttypes.h>
#include <stdio.h>

#define CHANGE_PATIENCE (20 * SEC)
enum { CHANGES_MAX = 16 }; /* at once, those included that nobody waits for any more */

static enum status check_queue(const struct server *server, struct error *err)
{
    if (server->queue == NULL) {
        FAIL(err, STATUS_NOT_FOUND,
             "there is no queue of webhooks: write webhooks: into the config");
    }
    return STATUS_OK;
}

static enum status open_reader(const struct server *server, struct queue_reader **ret,
                               struct error *err)
{
    TRY(check_queue(server, err));
    return queue_reader_open(queue_path(server->queue), ret, err);
}

/* ---- deliveries ---- */

struct page {
    struct buffer *out;
    unsigned limit, count;
    int64_t last; /* of those that are told */
    bool more;
    enum status status;
};

static enum status put_entry(struct page *page, const struct queue_entry *entry)
{
    TRY(page->status);
    TRY(buffer_append(page->out, page->count == 0 ? SLICE("") : SLICE(",\n")));
    return webhook_report_entry(entry, page->out);
}

static void add_entry(void *ctx, const struct queue_entry *entry)
{
    struct page *page = ctx;
    page->more = page->count == page->limit;
    if (!page->more) {
        page->status = put_entry(page, entry);
        page->last = entry->number;
        page->count++;
    }
}

enum status server_webhooks_list(const struct server *server,
                                 const struct webhook_question *question, struct buffer *out,
                                 struct error *err)
{
    struct queue_filter filter;
    struct queue_reader *reader = NULL;
    struct page page = {.out = out};
    int64_t before = 0;
    TRY(webhook_question_filter(question, clock_wall(), &filter, err));
    TRY(webhook_question_page(question, &page.limit, &before, err));
    TRY(open_reader(server, &reader, err));
    enum status status = buffer_append(out, SLICE("{\"webhooks\":[\n"));
    if (status == STATUS_OK) { /* one more than is told, to know whether there is one */
        status = queue_reader_list(reader, &filter, before, page.limit + 1, &page, add_entry, err);
    }
    queue_reader_close(reader);
    TRY(status);
    TRY(page.status);
    if (page.more) {
        return buffer_print(out, "\n],\"next\":%" PRId64 "}\n", page.last);
    }
    return buffer_append(out, SLICE("\n]}\n"));
}

/* ---- one webhook ---- */

struct shown {
    struct buffer *out;
    enum webhook_parts parts;
    unsigned deliveries;
    enum status status;
};

static enum status put_event(struct shown *shown, const struct queue_entry *entry,
                             struct slice fields, struct slice body)
{
    TRY(buffer_append(shown->out, SLICE("{")));
    TRY(webhook_report_event(entry, shown->out));
    if (shown->parts == WEBHOOK_WITH_BODY) {
        TRY(buffer_append(shown->out, SLICE(",")));
        TRY(webhook_report_content(fields, body, shown->out));
    }
    return buffer_append(shown->out, SLICE(",\"deliveries\":["));
}

static void add_event(void *ctx, const struct queue_entry *entry, struct slice fields,
                      struct slice body)
{
    struct shown *shown = ctx;
    shown->status = put_event(shown, entry, fields, body);
}

static enum status put_delivery(struct shown *shown, const struct queue_entry *entry)
{
    TRY(shown->status);
    TRY(buffer_append(shown->out, shown->deliveries++ == 0 ? SLICE("\n") : SLICE(",\n")));
    return webhook_report_entry(entry, shown->out);
}

static void add_delivery(void *ctx, const struct queue_entry *entry)
{
    struct shown *shown = ctx;
    shown->status = put_delivery(shown, entry);
}

enum status server_webhooks_show(const struct server *server, const char *id,
                                 enum webhook_parts parts, struct buffer *out, struct error *err)
{
    struct queue_reader *reader = NULL;
    struct shown shown = {.out = out, .parts = parts};
    TRY(open_reader(server, &reader, err));
    enum status status =
        queue_reader_show(reader, slice_from(id), &shown, add_event, add_delivery, err);
    queue_reader_close(reader);
    if (status == STATUS_NOT_FOUND) {
        FAIL(err, STATUS_NOT_FOUND,
             "no webhook \"%.64s\" is in the queue: it was dropped, or is older than "
             "webhook_queue.keep",
             id);
    }
    TRY(status);
    if (shown.status == STATUS_TOO_LARGE) {
        FAIL(err, STATUS_INVALID, "this webhook is too large for one answer");
    }
    TRY(shown.status);
    return buffer_append(out, SLICE("\n]}\n"));
}

enum status server_webhooks_sums(const struct server *server, struct buffer *out, struct error *err)
{
    TRY(check_queue(server, err));
    const struct webhook_sums_source source = {.queue = server->queue,
                                               .delivery = atomic_load(&server->delivery),
                                               .snapshot = server->snapshot};
    return webhook_sums_tell(&source, out, err);
}

/* ---- changes ---- */

/* One that the queue has been asked for. Lives until its letter has come. */
struct change {
    struct queue_change asked; /* first */
    struct server *server;
    struct admin_later *later; /* owned; NULL: it was answered, too late */
    struct timer patience;
    enum webhook_change kind;
    struct arena arena; /* of the filter's texts and the peer */
    const char *peer;
};

static void answer_error(struct change *change, unsigned status, const char *text)
{
    struct buffer answer CLEANUP(buffer_fini);
    buffer_init(&answer, 1024);
    if (buffer_print(&answer, "{\"error\":") == STATUS_OK &&
        webhook_report_text(slice_from(text), &answer) == STATUS_OK &&
        buffer_append(&answer, SLICE("}\n")) == STATUS_OK) {
        admin_later_answer(TAKE(change->later), status, buffer_bytes(&answer));
    } else {
        admin_later_answer(TAKE(change->later), 500, SLICE("{}\n"));
    }
}

static void answer_change(struct change *change)
{
    char text[64];
    bool by_id = change->asked.filter.id.len > 0;
    if (change->asked.error[0] != '\0') {
        answer_error(change, 503, change->asked.error);
    } else if (by_id && change->asked.count == 0) {
        answer_error(change, 404,
                     "no delivery of such a webhook is in the queue: it was dropped, or is older "
                     "than webhook_queue.keep");
    } else {
        (void)snprintf(text, sizeof(text), "{\"count\":%" PRIu64 "}\n", change->asked.count);
        admin_later_answer(TAKE(change->later), 200, slice_from(text));
    }
}

static void note_change(const struct change *change)
{
    char which[WEBHOOK_FILTER_TEXT_MAX];
    const struct audit_event event = {
        .kind = AUDIT_ADMIN_WEBHOOKS, .peer = change->peer, .count = change->asked.count};
    const char *what = change->kind == WEBHOOK_REPLAY ? "replayed" : "dropped";
    webhook_filter_write(&change->asked.filter, which);
    if (change->asked.error[0] != '\0') {
        audit(LOG_LEVEL_WARN, &event, "webhooks: could not be %s by admin: %s: %s", what,
              change->asked.error, which);
    } else {
        audit(LOG_LEVEL_WARN, &event, "webhooks: %" PRIu64 " deliveries %s by admin: %s",
              change->asked.count, what, which);
    }
}

static void on_changed(struct letter *letter, void *receiver)
{
    struct change *change = (struct change *)(void *)letter;
    struct server *server = receiver;
    timer_cancel(&server->loop.timers, &change->patience);
    server->webhook_changes--;
    note_change(change);
    if (change->later != NULL) {
        answer_change(change);
    }
    arena_fini(&change->arena);
    memory_free(change);
}

static void on_impatience(struct timer *timer)
{
    struct change *change = (struct change *)((char *)timer - offsetof(struct change, patience));
    answer_error(change, 503,
                 "the queue takes longer; it goes on, and the audit log will tell what it did");
}

static void copy_texts(struct change *change, const char *peer)
{
    struct queue_filter *filter = &change->asked.filter;
    filter->id = arena_copy(&change->arena, filter->id);
    filter->hook = arena_copy(&change->arena, filter->hook);
    filter->target = arena_copy(&change->arena, filter->target);
    filter->type = arena_copy(&change->arena, filter->type);
    change->peer = arena_copy(&change->arena, slice_from(peer)).ptr;
}

enum status server_webhooks_change(struct server *server, const struct webhook_question *question,
                                   enum webhook_change kind, struct admin_later *take_later,
                                   struct error *err)
{
    struct queue_filter filter;
    unsigned per_second = 0;
    TRY(check_queue(server, err));
    TRY(webhook_question_change(question, clock_wall(), &filter, &per_second, err));
    if (server->webhook_changes >= CHANGES_MAX) {
        FAIL(err, STATUS_UNAVAILABLE, "%d such changes are under way; try again later",
             CHANGES_MAX);
    }
    struct change *change = MEMORY_NEW(struct change);
    *change = (struct change){
        .asked = {.letter.run = on_changed,
                  .reply = server->mailbox,
                  .kind = kind == WEBHOOK_REPLAY ? QUEUE_REPLAY : QUEUE_DROP,
                  .filter = filter,
                  .per_second = per_second},
        .server = server,
        .later = take_later,
        .kind = kind,
    };
    copy_texts(change, question->peer);
    timer_init(&change->patience, on_impatience);
    loop_timer(&server->loop, &change->patience, CHANGE_PATIENCE);
    server->webhook_changes++;
    queue_change(server->queue, &change->asked);
    return STATUS_OK;
}

/* ---- metrics and readiness ---- */

void server_webhooks_count(const struct server *server)
{
    struct metrics_block *metrics = server->metrics_block;
    struct queue_stats stats = {.writable = true};
    usec_t now = clock_wall();
    if (server->queue != NULL) {
        queue_get_stats(server->queue, &stats);
    }
    usec_t age = stats.oldest > 0 && stats.oldest < now ? now - stats.oldest : 0;
    metrics_set(metrics, METRIC_webhooks_waiting, (int64_t)stats.waiting);
    metrics_set(metrics, METRIC_webhooks_held_back, (int64_t)stats.held_back);
    metrics_set(metrics, METRIC_webhooks_dead_letters, (int64_t)stats.dead);
    metrics_set(metrics, METRIC_webhooks_oldest_seconds, age / SEC);
    metrics_set(metrics, METRIC_webhooks_queue_bytes, (int64_t)stats.bytes);
    metrics_set(metrics, METRIC_webhooks_queue_up, stats.writable);
    metrics_set(metrics, METRIC_webhooks_queue_failures_total, (int64_t)stats.failures);
}

enum status server_webhooks_readiness(const struct server *server, struct buffer *out)
{
    struct queue_stats stats = {.writable = true};
    if (server->queue != NULL) {
        queue_get_stats(server->queue, &stats);
    }
    return stats.writable ? STATUS_OK
                          : buffer_append(out, SLICE("webhooks_unavailable: the queue cannot be "
                                                     "written, providers are answered 503\n"));
}

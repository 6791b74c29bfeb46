#include "gateway/webhook_report.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "base/utf8.h"
#include "gateway/observe/timestamp.h"

#include <inttypes.h>

/* A NUL becomes what broken characters become. */
enum status webhook_report_text(struct slice text, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("\"")));
    while (text.len > 0) {
        size_t len = slice_find(text, '\0');
        TRY(encode_json(slice_make(text.ptr, len), out));
        TRY(buffer_append(out, len < text.len ? SLICE("\xef\xbf\xbd") : SLICE("")));
        text = slice_skip(text, len + 1);
    }
    return buffer_append(out, SLICE("\""));
}

/* ---- pieces, each with a comma behind it ---- */

static enum status put_text(const char *name, struct slice text, struct buffer *out)
{
    TRY(buffer_print(out, "\"%s\":", name));
    TRY(webhook_report_text(text, out));
    return buffer_append(out, SLICE(","));
}

/* Nothing for 0. */
static enum status put_time(const char *name, usec_t time, struct buffer *out)
{
    char text[TIMESTAMP_LEN];
    if (time == 0) {
        return STATUS_OK;
    }
    return buffer_print(out, "\"%s\":\"%.*s\",", name, (int)timestamp_write(time, text), text);
}

static int64_t seconds_since(usec_t time, usec_t now)
{
    return time == 0 || time > now ? 0 : (now - time) / SEC;
}

/* ---- deliveries and events ---- */

static enum status put_event(const struct queue_entry *entry, struct buffer *out)
{
    TRY(put_text("id", entry->id, out));
    TRY(put_text("hook", entry->hook, out));
    TRY(put_text("event_id", entry->event_id, out));
    TRY(put_text("type", entry->type, out));
    TRY(put_time("received", entry->received_at, out));
    return buffer_print(out, "\"suspect\":%s,\"bytes\":%" PRIu64, entry->suspect ? "true" : "false",
                        entry->bytes);
}

enum status webhook_report_event(const struct queue_entry *entry, struct buffer *out)
{
    return put_event(entry, out);
}

enum status webhook_report_entry(const struct queue_entry *entry, struct buffer *out)
{
    bool open = entry->state == QUEUE_STATE_WAITING || entry->state == QUEUE_STATE_HELD_BACK;
    TRY(buffer_print(out, "{\"number\":%" PRId64 ",", entry->number));
    TRY(put_text("target", entry->target, out));
    TRY(buffer_print(out, "\"state\":\"%s\",\"attempts\":%u,", queue_state_name(entry->state),
                     entry->attempts));
    TRY(put_time("due", open ? entry->due : 0, out));
    TRY(put_time("ended", entry->ended_at, out));
    if (entry->status > 0) {
        TRY(buffer_print(out, "\"status\":%u,", entry->status));
    }
    if (entry->error.len > 0) {
        TRY(put_text("error", entry->error, out));
    }
    TRY(put_event(entry, out));
    return buffer_append(out, SLICE("}"));
}

/* ---- what the provider sent ---- */

static enum status put_header(struct slice line, unsigned index, struct buffer *out)
{
    size_t colon = slice_find(line, ':');
    TRY(buffer_append(out, index == 0 ? SLICE("{") : SLICE(",{")));
    TRY(put_text("name", slice_make(line.ptr, colon), out));
    TRY(buffer_append(out, SLICE("\"value\":")));
    TRY(webhook_report_text(slice_trim(slice_skip(line, colon + 1)), out));
    return buffer_append(out, SLICE("}"));
}

static enum status put_headers(struct slice fields, struct buffer *out)
{
    unsigned count = 0;
    TRY(buffer_append(out, SLICE("\"headers\":[")));
    while (fields.len > 0) {
        size_t end = slice_find(fields, '\n');
        struct slice line = slice_make(fields.ptr, end);
        line.len -= end > 0 && line.ptr[end - 1] == '\r';
        if (line.len > 0) {
            TRY(put_header(line, count++, out));
        }
        fields = slice_skip(fields, end + 1);
    }
    return buffer_append(out, SLICE("],"));
}

static bool is_text(struct slice body)
{
    return utf8_fault(body) == body.len && slice_find(body, '\0') == body.len;
}

enum status webhook_report_content(struct slice fields, struct slice body, struct buffer *out)
{
    TRY(put_headers(fields, out));
    if (is_text(body)) {
        TRY(buffer_append(out, SLICE("\"body\":")));
        return encode_json_string(body, out);
    }
    TRY(buffer_append(out, SLICE("\"body_base64\":\"")));
    TRY(buffer_reserve(out, (body.len + 2) / 3 * 4));
    buffer_commit(out, encode_base64(body, buffer_tail(out)));
    return buffer_append(out, SLICE("\""));
}

/* ---- sums ---- */

enum status webhook_report_sum(const struct webhook_sum *sum, usec_t now, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("{")));
    TRY(put_text("hook", slice_from(sum->hook), out));
    TRY(put_text("target", slice_from(sum->target), out));
    for (unsigned i = 0; i < QUEUE_STATES; i++) {
        TRY(buffer_print(out, "\"%s\":%" PRIu64 ",", queue_state_name((enum queue_state)i),
                         sum->count[i]));
    }
    TRY(put_time("oldest", sum->oldest, out));
    if (sum->oldest > 0) {
        TRY(buffer_print(out, "\"oldest_seconds\":%" PRId64 ",", seconds_since(sum->oldest, now)));
    }
    if (sum->breaker != NULL) {
        TRY(put_text("breaker", slice_from(sum->breaker), out));
    }
    return buffer_print(out, "\"in_flight\":%u,\"configured\":%s}", sum->in_flight,
                        sum->configured ? "true" : "false");
}

enum status webhook_report_queue(const struct queue_stats *stats, usec_t now, struct buffer *out)
{
    TRY(buffer_print(out,
                     "{\"writable\":%s,\"events\":%" PRIu64 ",\"bytes\":%" PRIu64
                     ",\"waiting\":%" PRIu64 ",\"held_back\":%" PRIu64 ",\"delivered\":%" PRIu64
                     ",\"dead\":%" PRIu64 ",",
                     stats->writable ? "true" : "false", stats->events, stats->bytes,
                     stats->waiting, stats->held_back, stats->delivered, stats->dead));
    TRY(put_time("oldest", stats->oldest, out));
    return buffer_print(
        out, "\"oldest_seconds\":%" PRId64 ",\"commits\":%" PRIu64 ",\"failures\":%" PRIu64 "}",
        seconds_since(stats->oldest, now), stats->commits, stats->failures);
}

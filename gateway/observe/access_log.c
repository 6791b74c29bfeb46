#include "gateway/observe/access_log.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "gateway/observe/timestamp.h"

#include <assert.h>
#include <stdint.h>

enum {
    FIXED_BYTES = 1024,    /* more than all names, numbers and punctuation of a line */
    WORST_ESCAPE = 6,      /* \u0001 */
    PATH_MAX_BYTES = 2048, /* of a path; the rest is cut, so that a line stays a line */
    METHOD_MAX_BYTES = 64, /* likewise */
};

/* All writing below goes into room that was reserved for the whole line. */
static void put(struct buffer *out, struct slice text)
{
    memcpy(buffer_tail(out), text.ptr, text.len);
    buffer_commit(out, text.len);
}

static void put_text(struct buffer *out, struct slice name, struct slice value)
{
    if (value.len == 0) {
        return;
    }
    put(out, name);
    if (encode_json_plain(value) == value.len) {
        put(out, value);
    } else {
        enum status status = encode_json(value, out);
        assert(status == STATUS_OK); /* WORST_ESCAPE was reserved */
    }
    put(out, SLICE("\""));
}

static void put_digits(struct buffer *out, uint64_t value)
{
    char digits[20];
    size_t start = sizeof(digits);
    do {
        digits[--start] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put(out, slice_make(digits + start, sizeof(digits) - start));
}

static void put_number(struct buffer *out, struct slice name, uint64_t value)
{
    put(out, name);
    put_digits(out, value);
}

/* As milliseconds with three decimals. */
static void put_duration(struct buffer *out, struct slice name, usec_t duration)
{
    if (duration < 0) {
        return;
    }
    put_number(out, name, (uint64_t)(duration / MSEC));
    unsigned rest = (unsigned)(duration % MSEC);
    const char decimals[] = {'.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
                             (char)('0' + rest % 10)};
    put(out, slice_make(decimals, sizeof(decimals)));
}

/* The record's texts as slices, measured once. */
struct texts {
    struct slice id, peer, tenant, route, method, path, code, ended_by, step, reason, quota, model,
        upstream;
};

static struct texts measure(const struct access_record *record)
{
    struct texts texts = {
        .id = slice_from(record->id),
        .peer = slice_from(record->peer),
        .tenant = slice_from(record->tenant),
        .route = slice_from(record->route),
        .method = record->method,
        .path = record->path,
        .code = slice_from(record->code),
        .ended_by = slice_from(record->ended_by),
        .step = slice_from(record->step),
        .reason = slice_from(record->reason),
        .quota = slice_from(record->quota),
        .model = record->metered ? record->model : slice_from(NULL),
        .upstream = slice_from(record->upstream),
    };
    if (texts.path.len > PATH_MAX_BYTES) {
        texts.path.len = PATH_MAX_BYTES;
    }
    if (texts.method.len > METHOD_MAX_BYTES) {
        texts.method.len = METHOD_MAX_BYTES;
    }
    return texts;
}

static size_t most_bytes(const struct access_record *record, const struct texts *texts)
{
    size_t len = texts->id.len + texts->peer.len + texts->tenant.len + texts->route.len +
                 texts->path.len + texts->code.len + texts->ended_by.len + texts->step.len +
                 texts->reason.len + texts->quota.len + texts->model.len + texts->upstream.len +
                 record->label.len + texts->method.len + record->trace_id.len + record->span_id.len;
    return FIXED_BYTES + WORST_ESCAPE * len + record->tries.len;
}

static void put_request(struct buffer *out, const struct access_record *record,
                        const struct texts *texts)
{
    put(out, SLICE("{\"time\":\""));
    buffer_commit(out, timestamp_write(record->wall_time, buffer_tail(out)));
    put(out, SLICE("\""));
    put_text(out, SLICE(",\"id\":\""), texts->id);
    put_text(out, SLICE(",\"trace_id\":\""), record->trace_id);
    put_text(out, SLICE(",\"span_id\":\""), record->span_id);
    put_text(out, SLICE(",\"label\":\""), record->label);
    put_text(out, SLICE(",\"peer\":\""), texts->peer);
    put_text(out, SLICE(",\"tenant\":\""), texts->tenant);
    put_text(out, SLICE(",\"route\":\""), texts->route);
    put_text(out, SLICE(",\"method\":\""), texts->method);
    put_text(out, SLICE(",\"path\":\""), texts->path);
    put_number(out, SLICE(",\"status\":"), record->status);
    put_text(out, SLICE(",\"code\":\""), texts->code);
    put_text(out, SLICE(",\"ended_by\":\""), texts->ended_by);
    put_text(out, SLICE(",\"step\":\""), texts->step);
    put_text(out, SLICE(",\"reason\":\""), texts->reason);
    put_text(out, SLICE(",\"quota\":\""), texts->quota);
}

static void put_usage(struct buffer *out, const struct access_record *record,
                      const struct texts *texts)
{
    if (record->metered) {
        put_text(out, SLICE(",\"model\":\""), texts->model);
        put_number(out, SLICE(",\"input_tokens\":"), record->input_tokens);
        put_number(out, SLICE(",\"output_tokens\":"), record->output_tokens);
        put_number(out, SLICE(",\"cost_nanousd\":"), record->cost_nanousd);
        put(out, record->estimated ? SLICE(",\"estimated\":true") : SLICE(""));
    }
}

static void put_facts(struct buffer *out, const struct access_record *record,
                      const struct texts *texts)
{
    if (texts->upstream.len > 0) {
        put_text(out, SLICE(",\"upstream\":\""), texts->upstream);
        put_number(out, SLICE(",\"upstream_status\":"), record->upstream_status);
        put_number(out, SLICE(",\"attempts\":"), record->attempts);
        if (record->tries.len > 0) {
            put(out, SLICE(",\"tries\":"));
            put(out, record->tries);
        }
        put(out, record->reused ? SLICE(",\"reused\":true") : SLICE(",\"reused\":false"));
    }
    put_number(out, SLICE(",\"request_bytes\":"), record->request_bytes);
    put_number(out, SLICE(",\"response_bytes\":"), record->response_bytes);
    put_duration(out, SLICE(",\"duration_ms\":"), record->duration);
    put_duration(out, SLICE(",\"upstream_ms\":"), record->upstream_duration);
    put_duration(out, SLICE(",\"first_byte_ms\":"), record->time_to_first_byte);
    put_duration(out, SLICE(",\"overhead_ms\":"), record->overhead);
    put(out, SLICE("}\n"));
}

bool access_log_format(const struct access_record *record, struct buffer *out)
{
    struct texts texts = measure(record);
    if (buffer_reserve(out, most_bytes(record, &texts)) != STATUS_OK) {
        return false;
    }
    put_request(out, record, &texts);
    put_usage(out, record, &texts);
    put_facts(out, record, &texts);
    return true;
}

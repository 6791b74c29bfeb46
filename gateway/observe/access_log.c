#include "gateway/observe/access_log.h"

#include "gateway/observe/json_line.h"

#include <stdint.h>

enum { FIXED_BYTES = 1024 }; /* more than all names, numbers and punctuation of a line */

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
        .method = json_line_cut(record->method, JSON_LINE_METHOD_MAX_BYTES),
        .path = json_line_cut(record->path, JSON_LINE_PATH_MAX_BYTES),
        .code = slice_from(record->code),
        .ended_by = slice_from(record->ended_by),
        .step = slice_from(record->step),
        .reason = slice_from(record->reason),
        .quota = slice_from(record->quota),
        .model = record->metered ? record->model : slice_from(NULL),
        .upstream = slice_from(record->upstream),
    };
    return texts;
}

static size_t most_bytes(const struct access_record *record, const struct texts *texts)
{
    size_t len = texts->id.len + texts->peer.len + texts->tenant.len + texts->route.len +
                 texts->path.len + texts->code.len + texts->ended_by.len + texts->step.len +
                 texts->reason.len + texts->quota.len + texts->model.len + texts->upstream.len +
                 record->label.len + texts->method.len + record->trace_id.len + record->span_id.len;
    return FIXED_BYTES + JSON_LINE_WORST_ESCAPE * len + record->tries.len;
}

static void put_request(struct buffer *out, const struct access_record *record,
                        const struct texts *texts)
{
    json_line_begin(out, record->wall_time);
    json_line_text(out, SLICE(",\"id\":\""), texts->id);
    json_line_text(out, SLICE(",\"trace_id\":\""), record->trace_id);
    json_line_text(out, SLICE(",\"span_id\":\""), record->span_id);
    json_line_text(out, SLICE(",\"label\":\""), record->label);
    json_line_text(out, SLICE(",\"peer\":\""), texts->peer);
    json_line_text(out, SLICE(",\"tenant\":\""), texts->tenant);
    json_line_text(out, SLICE(",\"route\":\""), texts->route);
    json_line_text(out, SLICE(",\"method\":\""), texts->method);
    json_line_text(out, SLICE(",\"path\":\""), texts->path);
    json_line_number(out, SLICE(",\"status\":"), record->status);
    json_line_text(out, SLICE(",\"code\":\""), texts->code);
    json_line_text(out, SLICE(",\"ended_by\":\""), texts->ended_by);
    json_line_text(out, SLICE(",\"step\":\""), texts->step);
    json_line_text(out, SLICE(",\"reason\":\""), texts->reason);
    json_line_text(out, SLICE(",\"quota\":\""), texts->quota);
}

static void put_usage(struct buffer *out, const struct access_record *record,
                      const struct texts *texts)
{
    if (record->metered) {
        json_line_text(out, SLICE(",\"model\":\""), texts->model);
        json_line_number(out, SLICE(",\"input_tokens\":"), record->input_tokens);
        json_line_number(out, SLICE(",\"output_tokens\":"), record->output_tokens);
        json_line_number(out, SLICE(",\"cost_nanousd\":"), record->cost_nanousd);
        json_line_put(out, record->estimated ? SLICE(",\"estimated\":true") : SLICE(""));
    }
}

static void put_facts(struct buffer *out, const struct access_record *record,
                      const struct texts *texts)
{
    if (texts->upstream.len > 0) {
        json_line_text(out, SLICE(",\"upstream\":\""), texts->upstream);
        json_line_number(out, SLICE(",\"upstream_status\":"), record->upstream_status);
        json_line_number(out, SLICE(",\"attempts\":"), record->attempts);
        if (record->tries.len > 0) {
            json_line_put(out, SLICE(",\"tries\":"));
            json_line_put(out, record->tries);
        }
        json_line_put(out, record->reused ? SLICE(",\"reused\":true") : SLICE(",\"reused\":false"));
    }
    json_line_number(out, SLICE(",\"request_bytes\":"), record->request_bytes);
    json_line_number(out, SLICE(",\"response_bytes\":"), record->response_bytes);
    json_line_duration(out, SLICE(",\"duration_ms\":"), record->duration);
    json_line_duration(out, SLICE(",\"upstream_ms\":"), record->upstream_duration);
    json_line_duration(out, SLICE(",\"first_byte_ms\":"), record->time_to_first_byte);
    json_line_duration(out, SLICE(",\"overhead_ms\":"), record->overhead);
    json_line_put(out, SLICE("}\n"));
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

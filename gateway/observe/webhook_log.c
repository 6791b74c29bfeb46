#include "gateway/observe/webhook_log.h"

#include "gateway/observe/json_line.h"

enum { FIXED_BYTES = 1024 }; /* more than all names, numbers and punctuation of a line */

bool webhook_log_format(const struct webhook_record *record, struct buffer *out)
{
    const struct {
        struct slice name, text;
    } texts[] = {
        {SLICE_INIT(",\"source\":\""), slice_from(record->source)},
        {SLICE_INIT(",\"hook\":\""), slice_from(record->hook)},
        {SLICE_INIT(",\"provider\":\""), record->provider},
        {SLICE_INIT(",\"webhook_id\":\""), record->id},
        {SLICE_INIT(",\"event_id\":\""), record->event_id},
        {SLICE_INIT(",\"event_type\":\""), record->event_type},
        {SLICE_INIT(",\"outcome\":\""), slice_from(record->outcome)},
        {SLICE_INIT(",\"reason\":\""), slice_from(record->reason)},
        {SLICE_INIT(",\"detail\":\""), slice_from(record->detail)},
        {SLICE_INIT(",\"method\":\""), json_line_cut(record->method, JSON_LINE_METHOD_MAX_BYTES)},
        {SLICE_INIT(",\"path\":\""), json_line_cut(record->path, JSON_LINE_PATH_MAX_BYTES)},
    };
    const unsigned count = sizeof(texts) / sizeof(texts[0]);
    size_t len = 0;
    for (unsigned i = 0; i < count; i++) {
        len += texts[i].text.len;
    }
    if (buffer_reserve(out, FIXED_BYTES + JSON_LINE_WORST_ESCAPE * len) != STATUS_OK) {
        return false;
    }
    json_line_begin(out, record->wall_time);
    for (unsigned i = 0; i < count; i++) {
        json_line_text(out, texts[i].name, texts[i].text);
    }
    json_line_number(out, SLICE(",\"status\":"), record->status);
    json_line_number(out, SLICE(",\"request_bytes\":"), record->request_bytes);
    json_line_duration(out, SLICE(",\"duration_ms\":"), record->duration);
    json_line_put(out, SLICE("}\n"));
    return true;
}

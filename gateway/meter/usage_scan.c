#include "gateway/meter/usage_scan.h"

#include "base/memory.h"
#include "gateway/meter/usage_scan_state.h"

#include <assert.h>

enum { BYTES_A_TOKEN = 4 }; /* of text, for estimates */

/* ---- events ---- */

/* What a stream says last counts; where it says some figures first and others later, the last of
 * each. */
static void take_figures(struct usage_scan *scan)
{
    const struct figure_scan *told = &scan->event.figures;
    if (!scan->table->merges) {
        scan->figures.seen = 0;
    }
    usage_figures_merge(&scan->figures, &told->figures);
}

static void take_type(struct usage_scan *scan)
{
    struct answer_event *event = &scan->event;
    struct answer_identity *identity = &scan->identity;
    enum answer_type type = event->type;
    if (type == ANSWER_TYPE_NONE && scan->stream.type_len > 0) {
        type = answer_type_of(event_stream_type(&scan->stream));
    }
    switch (type) {
    case ANSWER_TYPE_NONE:
    case ANSWER_TYPE_OTHER:
        break;
    case ANSWER_TYPE_MESSAGE_START:
        scan->opened = true;
        break;
    case ANSWER_TYPE_BLOCK_START:
        answer_index_add(&identity->begun, event->index);
        break;
    case ANSWER_TYPE_BLOCK_STOP:
        answer_index_add(&identity->ended, event->index);
        break;
    case ANSWER_TYPE_LAST:
        scan->ended = true;
        break;
    }
}

static void take_event(struct usage_scan *scan)
{
    struct answer_event *event = &scan->event;
    scan->opened |= scan->dialect != USAGE_ANTHROPIC;
    if (event->figures.told) {
        scan->usage_broken |= event->figures.broken;
        scan->usage_event |= !event->has_choice;
        take_figures(scan);
    }
    if (scan->dialect == USAGE_GEMINI) { /* nothing else says that it was the last */
        scan->ended |= event->stopped && event->figures.told;
    } else if (scan->dialect != USAGE_OPENAI_CHAT) {
        scan->identity.stop_told |= event->stopped;
        take_type(scan);
    }
}

static void init_event(struct usage_scan *scan)
{
    bool is_event = scan->body != SCAN_JSON;
    answer_event_init(&scan->event, scan->table, is_event, &scan->identity);
}

/* The event is whole. */
static void end_event(struct usage_scan *scan)
{
    struct answer_event *event = &scan->event;
    if (slice_equal(slice_make(event->head, event->head_len), SLICE("[DONE]"))) {
        scan->ended = true;
    } else {
        scan->text_bytes += event->text_bytes;
        if (answer_event_whole(event)) {
            take_event(scan);
        }
    }
    init_event(scan);
}

/* ---- streams ---- */

static enum event_stream_found next_of_lines(struct slice *data, struct slice *ret_piece)
{
    if (data->len == 0) {
        return EVENT_STREAM_MORE;
    }
    if (data->ptr[0] == '\n') {
        *data = slice_skip(*data, 1);
        return EVENT_STREAM_END;
    }
    *ret_piece = slice_make(data->ptr, slice_find(*data, '\n'));
    *data = slice_skip(*data, ret_piece->len);
    return EVENT_STREAM_DATA;
}

static enum event_stream_found next(struct usage_scan *scan, struct slice *data,
                                    struct slice *ret_piece)
{
    switch (scan->body) {
    case SCAN_EVENTS:
        return event_stream_next(&scan->stream, data, ret_piece);
    case SCAN_LINES:
        return next_of_lines(data, ret_piece);
    case SCAN_AMAZON:
        return amazon_stream_next(&scan->amazon, data, ret_piece);
    case SCAN_JSON:
    case SCAN_OTHER:
        break;
    }
    return EVENT_STREAM_MORE;
}

static void read_piece(struct usage_scan *scan, struct slice piece)
{
    if (!scan->in_event) {
        scan->in_event = true;
        if (scan->memo == NULL) {
            scan->memo = event_memo_new();
        }
        piece = slice_skip(piece, event_memo_read(scan->memo, &scan->event, piece));
    }
    answer_event_read(&scan->event, piece);
}

static bool is_event(const struct usage_scan *scan)
{
    return scan->body != SCAN_EVENTS || scan->stream.has_data;
}

/* ---- the interface ---- */

struct usage_scan *usage_scan_new(const struct usage_table *table, enum scanned_body body)
{
    struct usage_scan *scan = MEMORY_NEW_UPTO(struct usage_scan, event);
    scan->figures.seen = 0;
    scan->known.seen = 0;
    scan->table = table;
    scan->dialect = table->dialect;
    scan->body = body;
    init_event(scan);
    return scan;
}

void usage_scan_free(struct usage_scan *scan)
{
    if (scan != NULL) {
        memory_free(scan->memo);
        memory_free(scan);
    }
}

void usage_scan_note(struct usage_scan *scan, const struct usage_figures *known)
{
    usage_figures_merge(&scan->known, known);
}

void usage_scan_share(struct usage_scan *scan, struct object_scan *objects)
{
    assert(scan->body == SCAN_JSON && !scan->begun);
    scan->event.objects = objects;
}

size_t usage_scan_feed(struct usage_scan *scan, struct slice data, uint64_t output_covered)
{
    struct slice rest = data;
    struct slice piece;
    enum event_stream_found found;
    scan->begun |= data.len > 0;
    if (scan->body == SCAN_JSON) {
        answer_event_read(&scan->event, data);
    }
    if (scan->body == SCAN_JSON || scan->body == SCAN_OTHER) {
        return data.len;
    }
    if (scan->uncovered && usage_scan_output(scan) > output_covered) {
        return 0; /* still not */
    }
    scan->uncovered = false;
    while (!scan->uncovered && (found = next(scan, &rest, &piece)) != EVENT_STREAM_MORE) {
        if (found == EVENT_STREAM_DATA) {
            read_piece(scan, piece);
        } else if (is_event(scan)) {
            scan->in_event = false;
            end_event(scan);
            scan->uncovered = !scan->ended && usage_scan_output(scan) > output_covered;
        }
    }
    return data.len - rest.len;
}

/* ---- what was told ---- */

/* The figures so far, with those that were known before. False: there was a broken one. */
static bool figures_of(const struct usage_scan *scan, struct usage_figures *ret)
{
    ret->seen = 0;
    usage_figures_merge(ret, &scan->known);
    if (scan->body == SCAN_JSON) {
        const struct figure_scan *told = &scan->event.figures;
        usage_figures_merge(ret, &told->figures);
        return !told->broken && answer_event_whole(&scan->event);
    }
    usage_figures_merge(ret, &scan->figures);
    return !scan->usage_broken;
}

static uint64_t text_of(const struct usage_scan *scan)
{
    return scan->text_bytes + (scan->body == SCAN_JSON ? scan->event.text_bytes : 0);
}

uint64_t usage_scan_output(const struct usage_scan *scan)
{
    struct usage usage = {0};
    struct usage_told told;
    uint64_t text = text_of(scan);
    if (scan->usage_broken || scan->figures.seen == 0 ||
        !usage_table_sum(scan->table, &scan->figures, &usage, &told) || !told.input) {
        return text;
    }
    return usage_output(&usage) > text ? usage_output(&usage) : text;
}

uint64_t usage_scan_output_estimate(const struct usage_scan *scan)
{
    uint64_t tokens = (text_of(scan) + BYTES_A_TOKEN - 1) / BYTES_A_TOKEN;
    return tokens == 0 && scan->begun ? 1 : tokens;
}

bool usage_scan_result(const struct usage_scan *scan, struct usage *ret)
{
    struct usage_figures figures;
    struct usage usage;
    struct usage_told told;
    if (!figures_of(scan, &figures) || !usage_table_sum(scan->table, &figures, &usage, &told) ||
        !((told.input && told.output) || told.units)) {
        return false;
    }
    *ret = usage;
    return true;
}

bool usage_scan_input(const struct usage_scan *scan, struct usage *ret)
{
    struct usage usage;
    struct usage_told told;
    if (scan->body == SCAN_JSON || scan->usage_broken ||
        !usage_table_sum(scan->table, &scan->figures, &usage, &told) || !told.input) {
        return false;
    }
    usage.output = 0;
    usage.audio_output = 0;
    usage.image_output = 0;
    usage.reasoning = 0;
    *ret = usage;
    return true;
}

struct slice usage_scan_model(const struct usage_scan *scan)
{
    _Static_assert((int)ANSWER_KEPT <= (int)USAGE_MODEL_MAX, "a kept text must fit");
    return answer_text_of(&scan->identity.model);
}

bool usage_scan_ended(const struct usage_scan *scan)
{
    return scan->ended;
}

bool usage_scan_between_events(const struct usage_scan *scan)
{
    return scan->body == SCAN_EVENTS ? event_stream_between(&scan->stream)
                                     : scan->body == SCAN_LINES && !scan->in_event;
}

#include "gateway/meter/usage_scan.h"

#include "base/memory.h"
#include "gateway/meter/usage_scan_state.h"

enum { BYTES_A_TOKEN = 4 }; /* of text, for estimates */

/* ---- what figures mean ---- */

/* OpenAI's figures contain each other. Some who speak its dialect leave the reasoning out of
 * completion_tokens, or leave that out altogether: then the total tells. */
static bool openai_usage(const struct answer_figures *figures, struct usage *ret)
{
    uint64_t input = answer_figure(figures, ANSWER_FIGURE_INPUT);
    uint64_t output = answer_figure(figures, ANSWER_FIGURE_OUTPUT);
    uint64_t total = answer_figure(figures, ANSWER_FIGURE_TOTAL);
    uint64_t cached = answer_figure(figures, ANSWER_FIGURE_CACHE_READ);
    bool output_told = answer_has_figure(figures, ANSWER_FIGURE_OUTPUT) ||
                       answer_has_figure(figures, ANSWER_FIGURE_TOTAL);
    if (!answer_has_figure(figures, ANSWER_FIGURE_INPUT) || !output_told || cached > input) {
        return false;
    }
    *ret = (struct usage){
        .input = input - cached,
        .cache_read = cached,
        .output = total > input + output ? total - input : output,
        .reasoning = answer_figure(figures, ANSWER_FIGURE_REASONING),
    };
    return true;
}

static bool anthropic_usage(const struct answer_figures *figures, struct usage *ret)
{
    if (!answer_has_figure(figures, ANSWER_FIGURE_INPUT)) {
        return false;
    }
    *ret = (struct usage){
        .input = answer_figure(figures, ANSWER_FIGURE_INPUT),
        .cache_read = answer_figure(figures, ANSWER_FIGURE_CACHE_READ),
        .cache_write = answer_figure(figures, ANSWER_FIGURE_CACHE_WRITE),
        .output = answer_figure(figures, ANSWER_FIGURE_OUTPUT),
    };
    return true;
}

static bool usage_of(const struct usage_scan *scan, const struct answer_figures *figures,
                     struct usage *ret)
{
    return scan->dialect == USAGE_ANTHROPIC ? anthropic_usage(figures, ret)
                                            : openai_usage(figures, ret);
}

/* ---- events ---- */

/* Anthropic tells some figures first and others later, and the later ones count. */
static void take_figures(struct usage_scan *scan)
{
    const struct answer_event *event = &scan->event;
    if (scan->dialect != USAGE_ANTHROPIC) {
        scan->figures = event->figures;
        scan->output_told = true;
        return;
    }
    for (unsigned i = 0; i < ANSWER_FIGURES; i++) {
        if ((event->figures.seen >> i & 1) != 0) {
            scan->figures.values[i] = event->figures.values[i];
        }
    }
    scan->figures.seen |= event->figures.seen;
    scan->output_told |=
        !event->usage_in_message && answer_has_figure(&event->figures, ANSWER_FIGURE_OUTPUT);
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
    if (event->has_usage) {
        scan->usage_broken |= event->usage_broken;
        scan->usage_event |= !event->has_choice;
        take_figures(scan);
    }
    if (scan->dialect != USAGE_OPENAI_CHAT) {
        scan->identity.stop_told |= event->stopped;
        take_type(scan);
    }
}

static void init_event(struct usage_scan *scan)
{
    bool is_event = scan->body == SCAN_EVENTS;
    answer_event_init(&scan->event, answer_grammar_of(scan->dialect, is_event), &scan->identity);
}

/* The event is whole. */
static void end_event(struct usage_scan *scan)
{
    struct answer_event *event = &scan->event;
    if (!scan->stream.has_data) {
        return;
    }
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

/* ---- the interface ---- */

struct usage_scan *usage_scan_new(enum usage_dialect dialect, enum scanned_body body)
{
    struct usage_scan *scan = MEMORY_NEW(struct usage_scan);
    scan->dialect = dialect;
    scan->body = body;
    init_event(scan);
    return scan;
}

void usage_scan_free(struct usage_scan *scan)
{
    memory_free(scan);
}

size_t usage_scan_feed(struct usage_scan *scan, struct slice data, uint64_t output_covered)
{
    struct slice rest = data;
    struct slice piece;
    enum event_stream_found found;
    scan->begun |= data.len > 0;
    if (scan->body == SCAN_JSON) {
        answer_event_read(&scan->event, data);
        return data.len;
    }
    if (scan->uncovered && usage_scan_output(scan) > output_covered) {
        return 0; /* still not */
    }
    scan->uncovered = false;
    while (!scan->uncovered &&
           (found = event_stream_next(&scan->stream, &rest, &piece)) != EVENT_STREAM_MORE) {
        if (found == EVENT_STREAM_DATA) {
            answer_event_read(&scan->event, piece);
        } else {
            end_event(scan);
            scan->uncovered = !scan->ended && usage_scan_output(scan) > output_covered;
        }
    }
    return data.len - rest.len;
}

uint64_t usage_scan_output(const struct usage_scan *scan)
{
    struct usage usage = {0};
    uint64_t text = scan->text_bytes + (scan->body == SCAN_JSON ? scan->event.text_bytes : 0);
    bool told = !scan->usage_broken && usage_of(scan, &scan->figures, &usage);
    return told && usage.output > text ? usage.output : text;
}

uint64_t usage_scan_output_estimate(const struct usage_scan *scan)
{
    uint64_t text = scan->text_bytes + (scan->body == SCAN_JSON ? scan->event.text_bytes : 0);
    uint64_t tokens = (text + BYTES_A_TOKEN - 1) / BYTES_A_TOKEN;
    return tokens == 0 && scan->begun ? 1 : tokens;
}

/* The usage of a whole body. */
static bool body_result(const struct usage_scan *scan, struct usage *ret)
{
    const struct answer_event *event = &scan->event;
    bool output_told = scan->dialect != USAGE_ANTHROPIC ||
                       answer_has_figure(&event->figures, ANSWER_FIGURE_OUTPUT);
    return event->has_usage && !event->usage_broken && output_told && answer_event_whole(event) &&
           usage_of(scan, &event->figures, ret);
}

bool usage_scan_result(const struct usage_scan *scan, struct usage *ret)
{
    if (scan->body == SCAN_JSON) {
        return body_result(scan, ret);
    }
    return scan->output_told && !scan->usage_broken && usage_of(scan, &scan->figures, ret);
}

bool usage_scan_input(const struct usage_scan *scan, struct usage *ret)
{
    struct usage usage;
    if (scan->body == SCAN_JSON || scan->usage_broken || !usage_of(scan, &scan->figures, &usage)) {
        return false;
    }
    usage.output = 0;
    usage.reasoning = 0;
    *ret = usage;
    return true;
}

bool usage_scan_ended(const struct usage_scan *scan)
{
    return scan->ended;
}

bool usage_scan_between_events(const struct usage_scan *scan)
{
    return scan->body == SCAN_EVENTS && event_stream_between(&scan->stream);
}

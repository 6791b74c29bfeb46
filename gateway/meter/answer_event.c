#include "gateway/meter/answer_event.h"

#include "gateway/meter/object_scan.h"
#include "routes/usage.h"

#include <stddef.h>

enum answer_type answer_type_of(struct slice name)
{
    static const struct {
        struct slice name;
        enum answer_type type;
    } types[] = {
        {SLICE_INIT("message_start"), ANSWER_TYPE_MESSAGE_START},
        {SLICE_INIT("content_block_start"), ANSWER_TYPE_BLOCK_START},
        {SLICE_INIT("content_block_stop"), ANSWER_TYPE_BLOCK_STOP},
        {SLICE_INIT("message_stop"), ANSWER_TYPE_LAST},
        {SLICE_INIT("response.completed"), ANSWER_TYPE_LAST},
        {SLICE_INIT("response.incomplete"), ANSWER_TYPE_LAST},
        {SLICE_INIT("response.failed"), ANSWER_TYPE_LAST},
        {SLICE_INIT("message-end"), ANSWER_TYPE_LAST},
        {SLICE_INIT("stream-end"), ANSWER_TYPE_LAST},
        {SLICE_INIT("transcript.text.done"), ANSWER_TYPE_LAST},
        {SLICE_INIT("speech.audio.done"), ANSWER_TYPE_LAST},
    };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (slice_equal(types[i].name, name)) {
            return types[i].type;
        }
    }
    return ANSWER_TYPE_OTHER;
}

/* ---- identity ---- */

static void keep_text(struct answer_event *event, struct answer_text *text, enum json_event kind)
{
    struct slice told = json_scan_text(&event->json);
    if (kind == JSON_STRING && text->len == 0 && json_scan_whole(&event->json) &&
        told.len <= ANSWER_KEPT) {
        memcpy(text->bytes, told.ptr, told.len);
        text->len = (uint8_t)told.len;
    }
}

static void keep_number(struct answer_event *event, bool *ret_has, uint64_t *ret,
                        enum json_event kind)
{
    if (kind == JSON_NUMBER && json_scan_number(&event->json, INT64_MAX, ret)) {
        *ret_has = true;
    }
}

static void begin_choice(struct answer_event *event)
{
    event->has_choice = true;
    event->stopped = false;
    event->index = 0;
}

static void end_choice(struct answer_event *event)
{
    answer_index_add(&event->identity->begun, event->index);
    if (event->stopped) {
        answer_index_add(&event->identity->ended, event->index);
    }
}

/* ---- values ---- */

static void read_scalar(struct answer_event *event, enum answer_part part, enum json_event kind)
{
    struct answer_identity *identity = event->identity;
    if (part == ANSWER_TYPE) {
        bool told = kind == JSON_STRING && json_scan_whole(&event->json);
        event->type = told ? answer_type_of(json_scan_text(&event->json)) : ANSWER_TYPE_OTHER;
    } else if (part == ANSWER_INDEX) {
        keep_number(event, &event->has_index, &event->index, kind);
    } else if (part == ANSWER_STOP) {
        event->stopped |= kind == JSON_STRING;
    } else if (part == ANSWER_ID) {
        keep_text(event, &identity->id, kind);
    } else if (part == ANSWER_MODEL) {
        keep_text(event, &identity->model, kind);
    } else if (part == ANSWER_CREATED) {
        keep_number(event, &identity->has_created, &identity->created, kind);
    } else if (part == ANSWER_SEQUENCE) {
        keep_number(event, &identity->has_sequence, &identity->sequence, kind);
    } else if (part == ANSWER_OBJECT) {
        identity->is_text_completion =
            kind == JSON_STRING && json_scan_is(&event->json, SLICE("text_completion"));
    }
}

static void read_value(struct answer_event *event, enum answer_part part, enum json_event kind)
{
    if (part == ANSWER_TEXT || part == ANSWER_ALL) {
        event->text_bytes += kind == JSON_STRING ? event->json.text_len : 0;
    } else if (part == ANSWER_CHOICE) {
        begin_choice(event);
    } else if (part > ANSWER_TOP) {
        read_scalar(event, part, kind);
    }
    if ((kind == JSON_OBJECT_BEGIN || kind == JSON_ARRAY_BEGIN) &&
        event->json.depth < ANSWER_DEPTH) {
        event->path[event->json.depth] = part == ANSWER_TEXT ? ANSWER_GENERATED : (uint8_t)part;
    }
}

/* What the array or object at that depth is. */
static enum answer_part outer_at(const struct answer_event *event, unsigned depth)
{
    return depth < ANSWER_DEPTH ? (enum answer_part)event->path[depth] : ANSWER_OTHER;
}

static enum answer_part part_of_value(struct answer_event *event)
{
    if (event->named) {
        event->named = false;
        return (enum answer_part)event->member;
    }
    unsigned depth = event->json.depth;
    return depth == 0 ? ANSWER_TOP : answer_item(event->grammar, outer_at(event, depth - 1));
}

static void read_name(struct answer_event *event)
{
    enum answer_part outer = outer_at(event, event->json.depth - 1);
    event->named = true;
    event->member = ANSWER_OTHER;
    if (outer != ANSWER_OTHER && json_scan_whole(&event->json)) {
        event->member = (uint8_t)answer_member(event->grammar, outer, json_scan_text(&event->json));
    }
}

static void read_json(struct answer_event *event, enum json_event kind)
{
    if (event->objects != NULL) {
        object_scan_take(event->objects, kind, &event->json);
    }
    if (kind == JSON_NAME) {
        figure_scan_name(&event->figures, &event->json);
        read_name(event);
        return;
    }
    figure_scan_value(&event->figures, kind, &event->json, 0);
    if (kind != JSON_ARRAY_END && kind != JSON_OBJECT_END) {
        read_value(event, part_of_value(event), kind);
    } else if (outer_at(event, event->json.depth) == ANSWER_CHOICE) {
        end_choice(event);
    }
}

/* ---- all of it ---- */

void answer_event_init(struct answer_event *event, const struct usage_table *table, bool is_event,
                       struct answer_identity *identity)
{
    json_scan_init(&event->json);
    event->grammar = answer_grammar_of(table->dialect, is_event);
    event->identity = identity;
    event->objects = NULL;
    memset(&event->invalid, 0,
           offsetof(struct answer_event, figures) - offsetof(struct answer_event, invalid));
    figure_scan_init(&event->figures, table, is_event ? TREE_EVENT : TREE_ANSWER);
}

static void keep_head(struct answer_event *event, struct slice data)
{
    size_t room = ANSWER_HEAD - (size_t)event->head_len;
    size_t kept = data.len < room ? data.len : room;
    memcpy(event->head + event->head_len, data.ptr, kept);
    event->head_len = (uint8_t)(event->head_len + kept);
}

void answer_event_read(struct answer_event *event, struct slice data)
{
    enum json_event kind = JSON_MORE;
    if (event->head_len < ANSWER_HEAD) {
        keep_head(event, data);
    }
    while (!event->invalid && (kind = json_scan_next(&event->json, &data)) > JSON_MORE) {
        read_json(event, kind);
    }
    if (kind == JSON_INVALID && event->objects != NULL) {
        object_scan_take(event->objects, kind, &event->json);
    }
    event->invalid |= kind == JSON_INVALID;
    if (event->invalid) {
        event->text_bytes += data.len; /* as if it were text: it may be */
    }
}

bool answer_event_whole(const struct answer_event *event)
{
    return !event->invalid && json_scan_done(&event->json);
}

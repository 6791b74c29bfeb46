#include "gateway/meter/figure_scan.h"

#include <stddef.h>

enum { MILLI_DIGITS = 3 };

void figure_scan_init(struct figure_scan *scan, const struct usage_table *table,
                      enum usage_tree tree)
{
    /* The values are only looked at where they were seen. */
    memset(scan, 0, offsetof(struct figure_scan, figures));
    scan->table = table;
    scan->tree = tree;
    scan->figures.seen = 0;
}

static const struct usage_node *node_at(const struct figure_scan *scan, unsigned node)
{
    return &scan->table->nodes[node];
}

/* The node of the array or object at that depth; 0: none that leads to a figure. */
static uint8_t outer_at(const struct figure_scan *scan, unsigned depth)
{
    return depth < FIGURE_DEPTH ? scan->path[depth] : 0;
}

static uint8_t find_child(const struct figure_scan *scan, uint8_t outer, struct slice name)
{
    uint8_t at = node_at(scan, outer)->child;
    while (at != 0 && !slice_equal(node_at(scan, at)->name, name)) {
        at = node_at(scan, at)->next;
    }
    return at;
}

void figure_scan_find(struct figure_scan *scan, const struct json_scan *json)
{
    uint8_t outer = outer_at(scan, json->depth - 1);
    if (!json_scan_whole(json) || json->text_len == 0) {
        return;
    }
    struct slice name = json_scan_text(json);
    scan->member = find_child(scan, outer, name);
    scan->choosing = slice_equal(node_at(scan, outer)->selector, name);
}

/* ---- figures ---- */

/* Whole seconds and their decimals; thousandths, rounded up. */
static bool read_milliseconds(struct slice text, uint64_t *ret)
{
    size_t point = slice_find(text, '.');
    struct slice decimals = slice_skip(text, point < text.len ? point + 1 : point);
    uint64_t value = 0;
    bool more = false;
    if (!slice_number(slice_make(text.ptr, point), USAGE_TOKENS_MAX, &value) ||
        (point < text.len && decimals.len == 0)) {
        return false;
    }
    for (size_t i = 0; i < decimals.len || i < MILLI_DIGITS; i++) {
        char digit = i < decimals.len ? decimals.ptr[i] : '0';
        if (digit < '0' || digit > '9') {
            return false;
        }
        value = i < MILLI_DIGITS ? value * 10 + (uint64_t)(digit - '0') : value;
        more |= i >= MILLI_DIGITS && digit != '0';
    }
    *ret = value + (more ? 1 : 0);
    return *ret <= USAGE_TOKENS_MAX;
}

static void note(struct figure_scan *scan, unsigned index, uint64_t value)
{
    const struct usage_place *place = &scan->table->places[index];
    struct usage_figures *figures = &scan->figures;
    bool seen = (figures->seen >> index & 1) != 0;
    if (seen && place->sums) {
        value += figures->values[index];
    }
    scan->broken |= figures->seen != 0 && scan->early != place->early;
    scan->told = true;
    scan->early = place->early;
    scan->broken |= (seen && !place->sums && !place->last) || value > USAGE_TOKENS_MAX;
    usage_figures_note(figures, index, value);
}

static bool is_seen(const struct figure_scan *scan, const struct usage_node *node)
{
    const struct usage_place *place = &scan->table->places[node->place - 1];
    return (scan->figures.seen >> (node->place - 1) & 1) != 0 && !place->sums && !place->last;
}

/* What the value is to the place. False: it is of another form. */
static bool read_number(const struct usage_place *place, enum json_event event,
                        const struct json_scan *json, uint64_t *ret)
{
    if (event != (place->quoted ? JSON_STRING : JSON_NUMBER) || !json_scan_whole(json)) {
        return false;
    }
    return place->kind == PLACE_SECONDS ? read_milliseconds(json_scan_text(json), ret)
                                        : json_scan_number(json, USAGE_TOKENS_MAX, ret);
}

static void read_figure(struct figure_scan *scan, uint8_t at, enum json_event event,
                        const struct json_scan *json)
{
    uint64_t value = 0;
    const struct usage_node *node = node_at(scan, at);
    scan->broken |= is_seen(scan, node);
    if (event == JSON_NULL) {
        return;
    }
    for (unsigned i = node->place; i != 0; i = scan->table->places[i - 1].also) {
        const struct usage_place *place = &scan->table->places[i - 1];
        if (!read_number(place, event, json, &value)) {
            continue;
        }
        if (place->value.len > 0) {
            scan->waiting = at;
            scan->waiting_value = value;
        } else {
            note(scan, i - 1, value);
        }
        return;
    }
    scan->told = true;
    scan->broken = true;
}

/* The item ends: its selector says which place its figure is of. */
static void end_item(struct figure_scan *scan, const struct usage_node *item)
{
    if (item->selector.len == 0 || scan->waiting == 0) {
        return;
    }
    struct slice chosen = slice_make(scan->chosen, scan->chosen_len);
    unsigned i = node_at(scan, scan->waiting)->place;
    for (; i != 0; i = scan->table->places[i - 1].also) {
        if (slice_equal(scan->table->places[i - 1].value, chosen)) {
            note(scan, i - 1, scan->waiting_value);
        }
    }
    scan->waiting = 0;
}

static void choose(struct figure_scan *scan, enum json_event event, const struct json_scan *json)
{
    struct slice text = json_scan_text(json);
    scan->choosing = false;
    scan->chosen_len = 0;
    if (event == JSON_STRING && json->text_len <= FIGURE_CHOSEN) {
        memcpy(scan->chosen, text.ptr, text.len);
        scan->chosen_len = (uint8_t)text.len;
    }
}

/* ---- values ---- */

/* What holds figures is an object, and there once; null is as good as absent. */
static void begin_holder(struct figure_scan *scan, uint8_t at, enum json_event event)
{
    uint64_t bit = UINT64_C(1) << at;
    if (event == JSON_NULL) {
        return;
    }
    bool again = (scan->begun & bit) != 0 && !node_at(scan, at)->several;
    scan->broken |= again || event != JSON_OBJECT_BEGIN;
    scan->told = true;
    scan->begun |= bit;
}

static void read_place(struct figure_scan *scan, uint8_t at, enum json_event event,
                       const struct json_scan *json, uint64_t characters)
{
    unsigned index = node_at(scan, at)->place - 1U;
    enum place_kind kind = (enum place_kind)scan->table->places[index].kind;
    if (kind == PLACE_COUNT) {
        if (event == JSON_ARRAY_BEGIN) {
            note(scan, index, 0);
        }
    } else if (kind == PLACE_CHARACTERS) {
        if (event == JSON_STRING) {
            note(scan, index, characters);
        }
    } else {
        read_figure(scan, at, event, json);
    }
}

/* An item of an array. Its node; 0: none. */
static uint8_t begin_item(struct figure_scan *scan, uint8_t outer)
{
    const struct usage_node *node = node_at(scan, outer);
    if (node->place != 0 && scan->table->places[node->place - 1].kind == PLACE_COUNT &&
        scan->figures.values[node->place - 1] < USAGE_TOKENS_MAX) {
        scan->figures.values[node->place - 1]++;
    }
    uint8_t item = find_child(scan, outer, slice_make("", 0));
    if (item != 0 && node_at(scan, item)->selector.len > 0) {
        scan->chosen_len = 0;
        scan->waiting = 0;
    }
    return item;
}

static uint8_t node_of_value(struct figure_scan *scan, unsigned depth)
{
    uint8_t member = scan->member;
    scan->member = 0;
    if (depth == 0) {
        return scan->table->roots[scan->tree];
    }
    uint8_t outer = outer_at(scan, depth - 1);
    if (member != 0 || outer == 0) {
        return member;
    }
    return (scan->arrays >> (depth - 1) & 1) != 0 ? begin_item(scan, outer) : 0;
}

void figure_scan_take(struct figure_scan *scan, enum json_event event, const struct json_scan *json,
                      uint64_t characters)
{
    unsigned depth = json->depth;
    if (event == JSON_OBJECT_END || event == JSON_ARRAY_END) {
        uint8_t ended = outer_at(scan, depth);
        if (ended != 0) {
            end_item(scan, node_at(scan, ended));
        }
        return;
    }
    if (scan->choosing) {
        choose(scan, event, json);
    }
    uint8_t at = node_of_value(scan, depth);
    if (at != 0 && node_at(scan, at)->holds) {
        begin_holder(scan, at, event);
    }
    if (at != 0 && node_at(scan, at)->place != 0) {
        read_place(scan, at, event, json, characters);
    }
    if ((event == JSON_OBJECT_BEGIN || event == JSON_ARRAY_BEGIN) && depth < FIGURE_DEPTH) {
        scan->path[depth] = at;
        uint32_t bit = UINT32_C(1) << depth;
        scan->arrays = event == JSON_ARRAY_BEGIN ? scan->arrays | bit : scan->arrays & ~bit;
    }
}

#include "gateway/meter/object_scan.h"

#include <stddef.h>
#include <string.h>

void object_scan_init(struct object_scan *scan, const struct object_rule *rule)
{
    memset(scan, 0, offsetof(struct object_scan, texts)); /* the rest is set before it is read */
    scan->rule = rule;
    scan->done = rule->place_count == 0;
    json_scan_init(&scan->json);
}

/* ---- ways ---- */

/* Of the places in `ways` those whose step at that depth is `name`. */
static uint32_t follow(const struct object_scan *scan, uint32_t ways, unsigned depth,
                       struct slice name)
{
    uint32_t ret = 0;
    for (unsigned i = 0; ways >> i != 0; i++) {
        const struct object_place *place = &scan->rule->places[i];
        if ((ways >> i & 1) != 0 && depth < place->step_count &&
            slice_equal(place->steps[depth], name)) {
            ret |= UINT32_C(1) << i;
        }
    }
    return ret;
}

/* Those that lead to the next item of the array at that depth. */
static uint32_t follow_item(struct object_scan *scan, unsigned depth)
{
    char digits[24];
    size_t at = sizeof(digits);
    uint64_t number = scan->items[depth]++;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return follow(scan, scan->ways[depth], depth, slice_make(digits + at, sizeof(digits) - at));
}

static void take_name(struct object_scan *scan, const struct json_scan *json)
{
    unsigned depth = json->depth - 1;
    bool leads = depth < OBJECT_STEPS_MAX && json_scan_whole(json) && scan->ways[depth] != 0;
    scan->member = leads ? follow(scan, scan->ways[depth], depth, json_scan_text(json)) : 0;
}

static uint32_t ways_to_value(struct object_scan *scan, unsigned depth)
{
    uint32_t member = scan->member;
    scan->member = 0;
    if (depth == 0) {
        return UINT32_MAX >> (32 - scan->rule->place_count);
    }
    if (depth > OBJECT_STEPS_MAX || scan->ways[depth - 1] == 0) {
        return 0;
    }
    return scan->arrays[depth - 1] ? follow_item(scan, depth - 1) : member;
}

/* ---- values ---- */

static void keep_text(struct object_text *text, struct slice told)
{
    size_t len = told.len < OBJECT_TEXT_MAX ? told.len : OBJECT_TEXT_MAX;
    memcpy(text->bytes, told.ptr, len);
    text->len = (uint16_t)len;
}

static bool read_amount(const struct json_scan *json, int64_t *ret)
{
    struct slice text = json_scan_text(json);
    bool negative = slice_starts_with(text, SLICE("-"));
    uint64_t value = 0;
    if (!json_scan_whole(json) ||
        !slice_number(slice_skip(text, negative ? 1 : 0), INT64_MAX, &value)) {
        return false;
    }
    *ret = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

/* False: it is of a form that cannot be kept. */
static bool keep(struct object_scan *scan, enum object_field field, enum json_event event,
                 const struct json_scan *json)
{
    if (field == OBJECT_AMOUNT) {
        return event == JSON_NUMBER && read_amount(json, &scan->amount);
    }
    if ((event != JSON_STRING && event != JSON_NUMBER) || json->text_len == 0) {
        return false;
    }
    keep_text(&scan->texts[field], json_scan_text(json));
    return true;
}

/* No place is left that could say more, or would be believed before what is known. */
static bool is_done(const struct object_scan *scan)
{
    for (unsigned i = 0; i < scan->rule->place_count; i++) {
        const struct object_place *place = &scan->rule->places[i];
        if (scan->rank[place->field] == 0 || scan->rank[place->field] > place->rank + 1U) {
            return false;
        }
    }
    return true;
}

static void take_scalar(struct object_scan *scan, uint32_t ways, enum json_event event,
                        const struct json_scan *json)
{
    for (unsigned i = 0; ways >> i != 0; i++) {
        const struct object_place *place = &scan->rule->places[i];
        uint8_t rank = (uint8_t)(place->rank + 1);
        uint8_t known = scan->rank[place->field];
        if ((ways >> i & 1) != 0 && place->step_count == json->depth &&
            (known == 0 || known > rank) && keep(scan, place->field, event, json)) {
            scan->rank[place->field] = rank;
            scan->done = is_done(scan);
        }
    }
}

static void take_value(struct object_scan *scan, enum json_event event,
                       const struct json_scan *json)
{
    unsigned depth = json->depth;
    uint32_t ways = ways_to_value(scan, depth);
    if (event != JSON_OBJECT_BEGIN && event != JSON_ARRAY_BEGIN) {
        take_scalar(scan, ways, event, json);
    } else if (depth < OBJECT_STEPS_MAX) {
        scan->ways[depth] = ways;
        scan->items[depth] = 0;
        scan->arrays[depth] = event == JSON_ARRAY_BEGIN;
    }
}

/* ---- the interface ---- */

void object_scan_take(struct object_scan *scan, enum json_event event, const struct json_scan *json)
{
    if (scan->done || scan->invalid) {
        return;
    }
    if (event == JSON_NAME) {
        take_name(scan, json);
    } else if (event == JSON_INVALID) {
        scan->invalid = true;
    } else if (event != JSON_OBJECT_END && event != JSON_ARRAY_END) {
        take_value(scan, event, json);
    }
}

void object_scan_feed(struct object_scan *scan, struct slice data)
{
    enum json_event event = JSON_NULL;
    while (!scan->done && !scan->invalid && event != JSON_MORE) {
        event = json_scan_next(&scan->json, &data);
        if (event != JSON_MORE) {
            object_scan_take(scan, event, &scan->json);
        }
    }
}

struct slice object_scan_text(const struct object_scan *scan, enum object_field field)
{
    const struct object_text *text = &scan->texts[field];
    return scan->invalid || scan->rank[field] == 0 ? slice_make("", 0)
                                                   : slice_make(text->bytes, text->len);
}

bool object_scan_amount(const struct object_scan *scan, int64_t *ret)
{
    bool told = !scan->invalid && scan->rank[OBJECT_AMOUNT] > 0;
    *ret = told ? scan->amount : 0;
    return told;
}

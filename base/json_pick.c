#include "base/json_pick.h"

#include "base/memory.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Arrays and objects that can lie on the way to a place, and one for the scalars in an array. */
enum { LEVELS = JSON_PLACE_DEPTH_MAX + 2 };

struct picker {
    const struct json_place *places;
    unsigned count;
    void (*found)(void *ctx, const struct json_found *found);
    void *ctx;
    struct error *err;
    struct json_scan scan;
    /* Of each place: how many of its names the way to here has had, and a bit for each of them that
     * its object has had. */
    unsigned char matched[JSON_PLACES_MAX];
    uint16_t seen[JSON_PLACES_MAX];
    bool is_array[LEVELS];
    uint64_t index[LEVELS]; /* of an array's next element */
};

bool json_place_parse(struct arena *arena, struct slice pointer, struct json_place *ret)
{
    const char **path = ARENA_ARRAY(arena, const char *, JSON_PLACE_DEPTH_MAX);
    *ret = (struct json_place){.path = path};
    if (!slice_starts_with(pointer, SLICE("/"))) {
        return false;
    }
    for (struct slice rest = pointer; rest.len > 0;) {
        struct slice name = slice_skip(rest, 1);
        name.len = slice_find(name, '/');
        rest = slice_skip(rest, name.len + 1);
        char *out = arena_alloc(arena, name.len + 1);
        if (ret->depth == JSON_PLACE_DEPTH_MAX) {
            return false;
        }
        path[ret->depth++] = out;
        for (size_t i = 0; i < name.len; i++) {
            bool escaped = name.ptr[i] == '~';
            char next = i + 1 < name.len ? name.ptr[i + 1] : '\0';
            if (escaped && next != '0' && next != '1') {
                return false;
            }
            *out++ = (char)(!escaped ? name.ptr[i] : next == '0' ? '~' : '/');
            i += escaped;
        }
    }
    return true;
}

/* The way to here has `level` names: what was matched beyond the ones before does not count. */
static bool leads_here(struct picker *picker, unsigned place, unsigned level)
{
    if (picker->matched[place] >= level) {
        picker->matched[place] = (unsigned char)(level - 1);
    }
    return picker->matched[place] == level - 1 && picker->places[place].depth >= level;
}

static enum status on_name(struct picker *picker, unsigned level)
{
    for (unsigned i = 0; i < picker->count; i++) {
        if (!leads_here(picker, i, level) ||
            !json_scan_is(&picker->scan, slice_from(picker->places[i].path[level - 1]))) {
            continue;
        }
        if ((picker->seen[i] & (1U << level)) != 0) {
            FAIL(picker->err, STATUS_INVALID,
                 "a name that is read here occurs twice in its object: send it once");
        }
        picker->seen[i] |= (uint16_t)(1U << level);
        picker->matched[i] = (unsigned char)level;
    }
    return STATUS_OK;
}

static void on_element(struct picker *picker, unsigned level)
{
    char number[24];
    (void)snprintf(number, sizeof(number), "%llu", (unsigned long long)picker->index[level - 1]++);
    for (unsigned i = 0; i < picker->count; i++) {
        if (leads_here(picker, i, level)) {
            const char *name = picker->places[i].path[level - 1];
            bool fits = strcmp(name, "*") == 0 || strcmp(name, number) == 0;
            picker->matched[i] = (unsigned char)(fits ? level : level - 1);
        }
    }
}

static bool begins(enum json_event event)
{
    return event == JSON_OBJECT_BEGIN || event == JSON_ARRAY_BEGIN;
}

static void on_value(struct picker *picker, enum json_event event, unsigned level)
{
    bool has_text = event == JSON_STRING || event == JSON_NUMBER;
    bool element = level > 0 && picker->is_array[level - 1];
    for (unsigned i = 0; i < picker->count; i++) {
        unsigned depth = picker->places[i].depth;
        bool at_place = picker->matched[i] == level && depth == level;
        bool in_array =
            element && !begins(event) && depth == level - 1 && picker->matched[i] == depth;
        if (!at_place && !in_array) {
            continue;
        }
        picker->found(picker->ctx,
                      &(struct json_found){
                          .place = i,
                          .kind = event,
                          .in_array = in_array,
                          .text = has_text ? json_scan_text(&picker->scan) : slice_make("", 0),
                          .whole = !has_text || json_scan_whole(&picker->scan),
                      });
    }
}

static void open_container(struct picker *picker, enum json_event event, unsigned level)
{
    picker->is_array[level] = event == JSON_ARRAY_BEGIN;
    picker->index[level] = 0;
    for (unsigned i = 0; i < picker->count; i++) {
        picker->seen[i] &= (uint16_t) ~(1U << (level + 1));
    }
}

static enum status on_event(struct picker *picker, enum json_event event)
{
    unsigned level = picker->scan.depth;
    if (level >= LEVELS || event == JSON_OBJECT_END || event == JSON_ARRAY_END) {
        return STATUS_OK;
    }
    if (event == JSON_NAME) {
        return on_name(picker, level);
    }
    if (level > 0 && picker->is_array[level - 1]) {
        on_element(picker, level);
    }
    on_value(picker, event, level);
    if (begins(event)) {
        open_container(picker, event, level);
    }
    return STATUS_OK;
}

enum status json_pick(struct slice text, const struct json_place *places, unsigned count,
                      void (*found)(void *ctx, const struct json_found *found), void *ctx,
                      struct error *err)
{
    assert(count <= JSON_PLACES_MAX);
    struct picker picker = {
        .places = places, .count = count, .found = found, .ctx = ctx, .err = err};
    enum json_event event;
    json_scan_init(&picker.scan);
    while ((event = json_scan_next(&picker.scan, &text)) > JSON_MORE) {
        TRY(on_event(&picker, event));
    }
    while (event == JSON_MORE) {
        event = json_scan_end(&picker.scan);
        if (event > JSON_MORE) { /* a number alone: it is at no place */
            event = JSON_MORE;
        }
    }
    if (event != JSON_DONE) {
        FAIL(err, STATUS_INVALID, "the body is no JSON: %s", json_scan_fault(&picker.scan));
    }
    return STATUS_OK;
}

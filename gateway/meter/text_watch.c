#include "gateway/meter/text_watch.h"

enum {
    BIT_TYPE = 1,
    BIT_ID = 2,
    BIT_CONTENT = 4, /* and those above it, one for each of the call's */
};

_Static_assert(BIT_CONTENT << (CALL_NAMES_MAX - 1) <= UINT16_MAX, "a bit for each name");

void text_watch_init(struct text_watch *watch, const struct call *call)
{
    watch->call = call;
    watch->text_only = true;
    watch->inside = 0;
    watch->follows = 0;
}

/* Index among the names, or their count. */
static unsigned find_name(const struct call_names *names, const struct json_scan *scan)
{
    unsigned i = 0;
    while (i < names->count && !json_scan_is(scan, names->names[i])) {
        i++;
    }
    return i;
}

static uint16_t bit_of(const struct text_watch *watch, const struct json_scan *scan)
{
    if (json_scan_is(scan, SLICE("type"))) {
        return BIT_TYPE;
    }
    if (json_scan_is(scan, SLICE("id"))) {
        return BIT_ID;
    }
    unsigned content = find_name(&watch->call->contents, scan);
    return (uint16_t)(content < watch->call->contents.count ? BIT_CONTENT << content : 0);
}

enum status text_watch_name(struct text_watch *watch, const struct json_scan *scan,
                            struct error *err)
{
    if (watch->inside > 0) {
        return STATUS_OK;
    }
    uint16_t bit = bit_of(watch, scan);
    if ((watch->seen[scan->depth] & bit) != 0) {
        FAIL(err, STATUS_INVALID,
             "the body has \"%.*s\" twice in one object, and that can be read in two ways: send it "
             "once",
             SLICE_ARG(json_scan_text(scan)));
    }
    watch->seen[scan->depth] = (uint16_t)(watch->seen[scan->depth] | bit);
    watch->follows = bit;
    if (find_name(&watch->call->attachments, scan) < watch->call->attachments.count) {
        watch->text_only = false;
    }
    if (find_name(&watch->call->text_members, scan) < watch->call->text_members.count) {
        watch->inside = scan->depth;
    }
    return STATUS_OK;
}

static bool is_text_type(const struct call *call, const struct json_scan *scan)
{
    for (unsigned i = 0; i < call->text_type_count; i++) {
        if (json_scan_is(scan, call->text_types[i])) {
            return true;
        }
    }
    return false;
}

static void look_at_member(struct text_watch *watch, enum json_event event,
                           const struct json_scan *scan)
{
    if (event != JSON_NULL) {
        watch->held[scan->depth] = (uint16_t)(watch->held[scan->depth] | watch->follows);
        if (watch->follows == BIT_TYPE &&
            (event != JSON_STRING || !is_text_type(watch->call, scan))) {
            watch->text_only = false;
        }
    }
    watch->follows = 0;
}

/* The body itself is no such object. */
static void look_at_object(struct text_watch *watch, unsigned depth)
{
    uint16_t held = watch->held[depth + 1];
    if (depth > 0 && (held & BIT_ID) != 0 && held < BIT_CONTENT) {
        watch->text_only = false;
    }
}

void text_watch_value(struct text_watch *watch, enum json_event event, const struct json_scan *scan)
{
    bool begins = event == JSON_OBJECT_BEGIN || event == JSON_ARRAY_BEGIN;
    if (watch->follows != 0) {
        look_at_member(watch, event, scan);
    }
    if (watch->inside > 0) {
        bool over = scan->depth == watch->inside && !begins;
        watch->inside = over ? 0 : watch->inside;
        return;
    }
    if (event == JSON_OBJECT_BEGIN) {
        watch->seen[scan->depth + 1] = 0;
        watch->held[scan->depth + 1] = 0;
    } else if (event == JSON_OBJECT_END) {
        look_at_object(watch, scan->depth);
    }
}

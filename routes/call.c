#include "routes/call.h"

#include "routes/allow.h"
#include "routes/profile.h"
#include "routes/target.h"

/* Takes the first segment, with its slash, off a path. */
static struct slice take_segment(struct slice *path)
{
    struct slice segment = slice_make(path->ptr, 0);
    if (path->len > 0) {
        segment.len = 1 + slice_find(slice_skip(*path, 1), '/');
    }
    *path = slice_skip(*path, segment.len);
    return segment;
}

static bool ends_with(struct slice text, struct slice end)
{
    return text.len >= end.len && slice_equal(slice_skip(text, text.len - end.len), end);
}

/* Where "{model}" stands, the model is what is between the rest. */
static bool segment_matches(struct slice pattern, struct slice segment, struct slice *ret_model)
{
    const struct slice mark = SLICE("{model}");
    size_t at = slice_find(pattern, '{');
    if (at == pattern.len) {
        return slice_equal(pattern, segment) ||
               (slice_equal(pattern, SLICE("/*")) && segment.len > 1);
    }
    struct slice before = slice_make(pattern.ptr, at);
    struct slice behind = slice_skip(pattern, at + mark.len);
    if (segment.len <= before.len + behind.len || !slice_starts_with(segment, before) ||
        !ends_with(segment, behind)) {
        return false;
    }
    *ret_model = slice_make(segment.ptr + before.len, segment.len - before.len - behind.len);
    return true;
}

static bool segments_match(struct slice pattern, struct slice path, struct slice *ret_model)
{
    while (pattern.len > 0 && path.len > 0) {
        struct slice wanted = take_segment(&pattern);
        if (!segment_matches(wanted, take_segment(&path), ret_model)) {
            return false;
        }
    }
    return pattern.len == 0 && path.len == 0;
}

static bool path_matches(struct slice pattern, struct slice path, struct slice *ret_model)
{
    enum pattern_start start = target_compare(&pattern, &path);
    return start == PATTERN_EQUALS ||
           (start == PATTERN_OPEN && segments_match(pattern, path, ret_model));
}

/* They are few, so they are compared one by one; a trailing slash is another path. */
const struct call *call_find(const struct profile *profile, struct slice method, struct slice path)
{
    struct slice model;
    for (unsigned i = 0; i < profile->call_count; i++) {
        const struct call *call = &profile->calls[i];
        if (slice_equal(call->method, method) && path_matches(call->path, path, &model)) {
            return call;
        }
    }
    return NULL;
}

struct slice call_path_model(const struct call *call, struct slice path)
{
    struct slice model = slice_make("", 0);
    return path_matches(call->path, path, &model) ? model : slice_make("", 0);
}

bool call_streams(const struct call *call, struct slice query)
{
    if (slice_equal(call->streams, SLICE("always"))) {
        return true;
    }
    while (call->streams.len > 0 && query.len > 0) {
        struct slice pair = slice_make(query.ptr, slice_find(query, '&'));
        if (slice_equal(pair, call->streams)) {
            return true;
        }
        query = slice_skip(query, pair.len < query.len ? pair.len + 1 : pair.len);
    }
    return false;
}

bool call_may_repeat(const struct profile *profile, struct slice method, struct slice path)
{
    const struct call *call = call_find(profile, method, path);
    if (call != NULL && call->repeatable) {
        return true;
    }
    for (unsigned i = 0; i < profile->repeatable_count; i++) {
        const struct repeatable_call *it = &profile->repeatable[i];
        const struct allow_rule rule = {.method = it->method, .path = it->path};
        if (allow_matches(&rule, method, path)) {
            return true;
        }
    }
    return false;
}

#include "routes/allow.h"

#include "base/http1.h"
#include "base/memory.h"
#include "routes/target.h"

static bool has_lower_case(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] >= 'a' && text.ptr[i] <= 'z') {
            return true;
        }
    }
    return false;
}

static enum status parse_method(struct slice text, struct slice *ret, struct error *err)
{
    if (slice_equal(text, SLICE("*"))) {
        *ret = slice_make(NULL, 0);
        return STATUS_OK;
    }
    /* Methods are case-sensitive (RFC 9110, section 9.1), and all that are registered are upper
     * case: "get" would never match. */
    if (!http1_valid_token(text) || has_lower_case(text)) {
        FAIL(err, STATUS_INVALID, "\"%.*s\" is no method; write one such as GET, or * for any",
             SLICE_ARG(text));
    }
    *ret = text;
    return STATUS_OK;
}

/* Takes the first segment, without its slash, off a path that begins with one. */
static struct slice take_segment(struct slice *path)
{
    struct slice behind = slice_skip(*path, 1);
    struct slice segment = slice_make(behind.ptr, slice_find(behind, '/'));
    *path = slice_skip(behind, segment.len);
    return segment;
}

static enum status parse_path(struct arena *arena, struct slice text, struct slice *ret,
                              struct error *err)
{
    struct slice path;
    struct slice query;
    TRY(target_check(text, &path, &query, err));
    if (query.ptr != NULL) {
        FAIL(err, STATUS_INVALID, "\"%.*s\" has a query; rules see the path only: end it before ?",
             SLICE_ARG(text));
    }
    for (struct slice rest = path; rest.len > 0;) {
        struct slice segment = take_segment(&rest);
        if (segment.len > 1 && slice_find(segment, '*') < segment.len) {
            FAIL(err, STATUS_INVALID,
                 "\"%.*s\" mixes * with other characters; * stands for a whole segment",
                 SLICE_ARG(segment));
        }
    }
    *ret = target_normalize(path, arena_reserve(arena, path.len));
    return STATUS_OK;
}

static enum status parse(struct arena *arena, struct slice text, struct allow_rule *ret,
                         struct error *err)
{
    size_t colon = slice_find(text, ':');
    *ret = (struct allow_rule){.route = slice_make(text.ptr, colon)};
    if (colon == 0) {
        FAIL(err, STATUS_INVALID, "the route's name is missing; write ROUTE or ROUTE:METHOD PATH");
    }
    if (colon == text.len) {
        return STATUS_OK;
    }
    struct slice call = slice_trim(slice_skip(text, colon + 1));
    size_t space = slice_find(call, ' ');
    if (space == call.len) {
        FAIL(err, STATUS_INVALID,
             "METHOD and PATH are expected behind the colon, such as \"%.*s:GET /v1/*\"",
             SLICE_ARG(ret->route));
    }
    TRY(parse_method(slice_make(call.ptr, space), &ret->method, err));
    return parse_path(arena, slice_trim(slice_skip(call, space)), &ret->path, err);
}

enum status allow_parse(struct arena *arena, struct slice text, struct allow_rule *ret,
                        struct error *err)
{
    return parse(arena, arena_copy(arena, slice_trim(text)), ret, err);
}

/* Segment by segment: a * fits any one, and as the last one any rest. */
static bool segments_match(struct slice pattern, struct slice path)
{
    const struct slice star = SLICE("*");
    while (pattern.len > 0 && path.len > 0) {
        struct slice wanted = take_segment(&pattern);
        if (slice_equal(wanted, star) && pattern.len == 0) {
            return true; /* the last one: any rest */
        }
        struct slice segment = take_segment(&path);
        bool fits = slice_equal(wanted, star) ? segment.len > 0 : slice_equal(wanted, segment);
        if (!fits) {
            return false;
        }
    }
    return pattern.len == 0 && path.len == 0;
}

static bool path_matches(struct slice pattern, struct slice path)
{
    enum pattern_start start = target_compare(&pattern, &path);
    return start == PATTERN_EQUALS || (start == PATTERN_OPEN && segments_match(pattern, path));
}

bool allow_matches(const struct allow_rule *rule, struct slice method, struct slice path)
{
    if (rule->method.len > 0 && !slice_equal(rule->method, method)) {
        return false;
    }
    if (rule->path.len == 0) {
        return true;
    }
    return path_matches(rule->path, path.len == 0 ? SLICE("/") : path);
}

bool allow_any(const struct allow_rule *first, struct slice method, struct slice path)
{
    for (const struct allow_rule *rule = first; rule != NULL; rule = rule->next) {
        if (allow_matches(rule, method, path)) {
            return true;
        }
    }
    return false;
}

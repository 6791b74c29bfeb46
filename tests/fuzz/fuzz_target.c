/*
 * fuzz_target: what target_check() lets pass has no segment . or .. however it is read, and goes on
 * byte for byte; dropped parameters are gone under every spelling.
 */
#include "base/buffer.h"
#include "base/memory.h"
#include "routes/allow.h"
#include "routes/links.h"
#include "routes/route.h"
#include "routes/target.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct slice key = SLICE_INIT("key");
static const struct slice base_path = SLICE_INIT("/base");

static unsigned nibble(char digit)
{
    unsigned lower = (unsigned char)digit | 0x20U;
    return lower >= 'a' ? lower - 'a' + 10 : lower - '0';
}

/* The plainest reader there is: decode all, then split. */
static void expect_no_dot_segment(struct slice path)
{
    char *decoded CLEANUP(memory_free_at) = memory_resize(NULL, path.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < path.len; i++) {
        char byte = path.ptr[i];
        if (byte == '%') {
            assert(i + 2 < path.len);
            byte = (char)(nibble(path.ptr[i + 1]) * 16 + nibble(path.ptr[i + 2]));
            i += 2;
        }
        decoded[len++] = byte == '\\' ? '/' : byte;
    }
    decoded[len] = '/';
    size_t begin = 0;
    for (size_t i = 0; i <= len; i++) {
        assert(i == len || decoded[i] != '\0');
        if (decoded[i] != '/') {
            continue;
        }
        struct slice segment = slice_make(decoded + begin, i - begin);
        assert(!slice_equal(segment, SLICE(".")));
        assert(!slice_equal(segment, SLICE("..")));
        begin = i + 1;
    }
}

static void expect_stable_normal_form(struct slice path)
{
    char *once CLEANUP(memory_free_at) = memory_resize(NULL, path.len);
    char *twice CLEANUP(memory_free_at) = memory_resize(NULL, path.len);
    struct slice first = target_normalize(path, once);
    assert(slice_equal(first, target_normalize(first, twice)));

    struct slice again;
    struct slice query;
    assert(target_check(first, &again, &query, NULL) == STATUS_OK);
    assert(slice_equal(again, first));
    expect_no_dot_segment(first);
}

static void expect_written_as_it_came(const struct route *route, struct slice target,
                                      struct slice path, struct slice query)
{
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, 1U << 20);
    assert(target_write(route, path, query, NULL, 0, &out) == STATUS_OK);
    struct slice written = buffer_bytes(&out);
    assert(slice_starts_with(written, base_path));
    assert(slice_equal(slice_skip(written, base_path.len), target));
}

static void expect_key_gone(const struct route *route, struct slice path, struct slice query)
{
    struct buffer out CLEANUP(buffer_fini);
    struct slice value;
    buffer_init(&out, 1U << 20);
    assert(target_write(route, path, query, &key, 1, &out) == STATUS_OK);
    struct slice written = buffer_bytes(&out);
    struct slice again;
    struct slice left;
    assert(target_check(written, &again, &left, NULL) == STATUS_OK);
    assert(again.len == base_path.len + path.len);
    assert(!target_query_get(left, key, &value));
    assert(left.len <= query.len);
    if (!target_query_get(query, key, &value)) {
        assert(slice_equal(left, query));
    }
}

/* Nothing to compare with: they must only stay within their bounds. */
static void read_as_rule_and_link(const struct route *route, struct slice text)
{
    struct arena arena CLEANUP(arena_fini) = {0};
    struct buffer out CLEANUP(buffer_fini);
    struct allow_rule rule;
    buffer_init(&out, 1U << 20);
    if (allow_parse(&arena, text, &rule, NULL) == STATUS_OK && rule.path.len > 0) {
        (void)allow_matches(&rule, SLICE("GET"), SLICE("/v1/x"));
        assert(rule.path.ptr[0] == '/');
    }
    (void)links_rewrite_link(route, SLICE("https://gw/x"), text, &out);
    (void)links_rewrite_location(route, SLICE("https://gw/x"), text, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct route route = {
        .base_path = base_path,
        .origin = {.tls = true, .host = "a.test", .port = 443, .authority = "a.test"},
    };
    struct slice target = slice_make((const char *)data, size);
    struct slice path;
    struct slice query;
    read_as_rule_and_link(&route, target);
    if (target_check(target, &path, &query, NULL) != STATUS_OK) {
        return 0;
    }
    expect_no_dot_segment(path);
    expect_stable_normal_form(path);
    expect_written_as_it_came(&route, target, path, query);
    expect_key_gone(&route, path, query);
    return 0;
}

#include "config/shown.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "base/memory.h"
#include "base/tree.h"
#include "config/document.h"

enum {
    SHOWN_MAX_BYTES = 8 * DOCUMENT_MAX, /* a byte may become six: \u0001 */
    HASH_DIGITS_SHOWN = 8,
};

static const struct slice hash_prefix = SLICE_INIT("sha256:");

static bool is_hash(struct slice text)
{
    return slice_starts_with(text, hash_prefix) && text.len > hash_prefix.len + HASH_DIGITS_SHOWN;
}

/* RFC 8259 has no leading zeros, signs or points without digits; what is not plainly a number of it
 * is a text. */
static bool is_number(struct slice text)
{
    uint64_t number;
    return text.len > 0 && (text.len == 1 || text.ptr[0] != '0') &&
           slice_number(text, UINT32_MAX, &number);
}

static bool is_literal(const struct tree *node)
{
    struct slice text = node->source;
    return !node->quoted && (slice_equal(text, SLICE("true")) ||
                             slice_equal(text, SLICE("false")) || is_number(text));
}

static enum status put_scalar(const struct tree *node, struct buffer *out)
{
    struct slice text = node->source;
    size_t begin = text.len;
    size_t end = text.len;
    bool masked = tree_find_password(text, &begin, &end);
    if (tree_is_null(node)) {
        return buffer_append(out, SLICE("null"));
    }
    if (is_literal(node)) {
        return buffer_append(out, text);
    }
    TRY(buffer_append(out, SLICE("\"")));
    if (is_hash(text)) {
        TRY(encode_json(slice_make(text.ptr, hash_prefix.len + HASH_DIGITS_SHOWN), out));
        return buffer_append(out, SLICE("...\""));
    }
    TRY(encode_json(slice_make(text.ptr, begin), out));
    TRY(buffer_append(out, masked ? SLICE("***") : SLICE("")));
    TRY(encode_json(slice_skip(text, end), out));
    return buffer_append(out, SLICE("\""));
}

/* NOLINTNEXTLINE(misc-no-recursion): DOCUMENT_DEPTH_MAX at most. */
static enum status put_node(const struct tree *node, struct buffer *out)
{
    if (node->kind == TREE_SCALAR) {
        return put_scalar(node, out);
    }
    bool map = node->kind == TREE_MAP;
    TRY(buffer_append(out, map ? SLICE("{") : SLICE("[")));
    for (unsigned i = 0; i < node->count; i++) {
        TRY(buffer_append(out, i == 0 ? SLICE("") : SLICE(",")));
        if (map) {
            TRY(encode_json_string(node->items[i]->key->source, out));
            TRY(buffer_append(out, SLICE(":")));
        }
        TRY(put_node(node->items[i], out));
    }
    return buffer_append(out, map ? SLICE("}") : SLICE("]"));
}

struct slice config_shown(struct arena *arena, const struct tree *root)
{
    struct buffer out CLEANUP(buffer_fini);
    buffer_init(&out, SHOWN_MAX_BYTES);
    enum status status = put_node(root, &out);
    return status == STATUS_OK ? arena_copy(arena, buffer_bytes(&out)) : SLICE("null");
}

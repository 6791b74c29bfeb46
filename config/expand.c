#include "config/expand.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/tree.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

static bool reference_begins(struct slice text)
{
    return slice_starts_with(text, SLICE("${"));
}

bool expand_wanted(struct slice text)
{
    for (size_t at = slice_find(text, '$'); at < text.len;) {
        if (reference_begins(slice_skip(text, at))) {
            return true;
        }
        at++;
        at += slice_find(slice_skip(text, at), '$');
    }
    return false;
}

static bool env_name_valid(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char byte = name.ptr[i];
        if (!ascii_is_letter(byte) && byte != '_' && (i == 0 || !ascii_is_digit(byte))) {
            return false;
        }
    }
    return name.len > 0;
}

static enum status put(struct buffer *out, struct slice bytes, struct error *err)
{
    if (memchr(bytes.ptr, '\0', bytes.len) != NULL || utf8_fault(bytes) < bytes.len) {
        FAIL(err, STATUS_INVALID, "its value is not UTF-8 text");
    }
    if (buffer_append(out, bytes) != STATUS_OK) {
        FAIL(err, STATUS_TOO_LARGE, "the values put into this file exceed %d MiB",
             EXPAND_TOTAL_MAX / 1024 / 1024);
    }
    return STATUS_OK;
}

static enum status put_env(struct slice name, struct buffer *out, struct error *err)
{
    if (!env_name_valid(name)) {
        FAIL(err, STATUS_INVALID, "not the name of an environment variable");
    }
    CLEANUP(memory_free_at) char *text = memory_copy(name);
    /* Nobody changes the environment once there are threads. NOLINTNEXTLINE(concurrency-mt-unsafe)
     */
    const char *value = getenv(text);
    if (value == NULL) {
        FAIL(err, STATUS_NOT_FOUND, "the environment variable is not set");
    }
    return put(out, slice_from(value), err);
}

static enum status put_file(const struct tree_document *document, struct slice path,
                            struct arena *arena, struct buffer *out, struct error *err)
{
    if (path.len == 0) {
        FAIL(err, STATUS_INVALID, "no path; write ${file:PATH}");
    }
    CLEANUP(buffer_wipe) struct buffer contents;
    buffer_init(&contents, EXPAND_FILE_MAX);
    TRY(file_read(tree_resolve(document, path, arena), FILE_REGULAR, &contents, err));
    struct slice bytes = buffer_bytes(&contents);
    if (bytes.len > 0 && bytes.ptr[bytes.len - 1] == '\n') {
        bytes.len--;
    }
    return put(out, bytes, err);
}

/* `text` begins with "${"; `*ret_len` is what was used of it. */
static enum status put_reference(const struct tree_document *document, struct slice text,
                                 size_t *ret_len, struct arena *arena, struct buffer *out,
                                 struct error *err)
{
    size_t end = slice_find(text, '}');
    struct slice inside = slice_make(text.ptr + 2, end < text.len ? end - 2 : 0);
    enum status status;
    if (end == text.len) {
        FAIL(err, STATUS_INVALID, "\"${\" without \"}\"; write $${ for a plain ${");
    }
    if (slice_starts_with(inside, SLICE("env:"))) {
        status = put_env(slice_skip(inside, 4), out, err);
    } else if (slice_starts_with(inside, SLICE("file:"))) {
        status = put_file(document, slice_skip(inside, 5), arena, out, err);
    } else {
        FAIL(err, STATUS_INVALID, "${%s}: write ${env:NAME} or ${file:PATH}, or $${ for a plain ${",
             QUOTE(inside));
    }
    if (status != STATUS_OK) {
        error_prefix(err, "${%s}", QUOTE(inside));
        return status;
    }
    *ret_len = end + 1;
    return STATUS_OK;
}

enum status expand(const struct tree_document *document, struct slice text, size_t *left,
                   struct arena *arena, struct slice *ret, struct error *err)
{
    CLEANUP(buffer_wipe) struct buffer out;
    buffer_init(&out, *left + text.len);
    size_t at = 0;
    while (at < text.len) {
        struct slice rest = slice_skip(text, at);
        size_t len = slice_find(rest, '$');
        if (len == 0 && reference_begins(rest)) {
            TRY(put_reference(document, rest, &len, arena, &out, err));
            at += len;
            continue;
        }
        if (len == 0) {
            bool escaped = slice_starts_with(rest, SLICE("$${"));
            len = escaped ? 3 : 1;
            TRY(put(&out, escaped ? SLICE("${") : slice_make(rest.ptr, 1), err));
        } else {
            TRY(put(&out, slice_make(rest.ptr, len), err));
        }
        at += len;
    }
    size_t used = buffer_len(&out);
    *left -= used < *left ? used : *left;
    *ret = arena_copy(arena, buffer_bytes(&out));
    return STATUS_OK;
}

#include "base/tree.h"

#include "base/memory.h"

#include <stdio.h>

const struct tree *tree_get(const struct tree *map, const char *key)
{
    if (map == NULL || map->kind != TREE_MAP) {
        return NULL;
    }
    struct slice wanted = slice_from(key);
    for (unsigned i = 0; i < map->count; i++) {
        if (slice_equal(map->items[i]->key->text, wanted)) {
            return map->items[i];
        }
    }
    return NULL;
}

bool tree_is_null(const struct tree *node)
{
    return node->kind == TREE_SCALAR && !node->quoted &&
           (node->source.len == 0 || slice_equal(node->source, SLICE("~")) ||
            slice_equal(node->source, SLICE("null")));
}

bool tree_expanded(const struct tree *node)
{
    return !slice_equal(node->text, node->source);
}

bool tree_find_password(struct slice text, size_t *ret_begin, size_t *ret_end)
{
    size_t begin = slice_find(text, ':');
    size_t end = text.len;
    while (end > 0 && text.ptr[end - 1] != '@') {
        end--;
    }
    if (slice_starts_with(slice_skip(text, begin), SLICE("://"))) {
        begin += 2;
    }
    if (end < begin + 2) {
        return false;
    }
    *ret_begin = begin + 1;
    *ret_end = end - 1;
    return true;
}

enum { SHOWN_MAX = 60 };

/* At most one byte more than is shown, which tells that there is more. */
static size_t put_shown(struct slice part, char *shown, size_t used)
{
    size_t room = SHOWN_MAX + 1 - used;
    size_t len = part.len < room ? part.len : room;
    memcpy(shown + used, part.ptr, len);
    return used + len;
}

const char *quote_text(struct slice text, struct quoted *out)
{
    char shown[SHOWN_MAX + 1];
    if (text.ptr == NULL) {
        text = SLICE("");
    }
    size_t begin = text.len;
    size_t end = text.len;
    bool masked = tree_find_password(text, &begin, &end);
    size_t len = put_shown(slice_make(text.ptr, begin), shown, 0);
    len = put_shown(masked ? SLICE("***") : SLICE(""), shown, len);
    len = put_shown(slice_skip(text, end), shown, len);
    bool cut = len > SHOWN_MAX;
    if (cut) {
        len = SHOWN_MAX;
        while (len > 0 && ((unsigned char)shown[len] & 0xc0) == 0x80) {
            len--; /* not within a character */
        }
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)shown[i];
        out->text[i] = byte < 0x20 || byte == 0x7f ? '?' : (char)byte;
    }
    (void)snprintf(out->text + len, sizeof(out->text) - len, "%s", cut ? "..." : "");
    return out->text;
}

void tree_path(const struct tree *node, char *out, size_t size)
{
    enum { DEEPEST = 40 };
    const struct tree *chain[DEEPEST];
    unsigned depth = 0;
    for (; node->parent != NULL && depth < DEEPEST; node = node->parent) {
        chain[depth++] = node;
    }
    size_t used = 0;
    out[0] = '\0';
    while (depth > 0 && used < size) {
        const struct tree *step = chain[--depth];
        int len = step->parent->kind == TREE_LIST
                      ? snprintf(out + used, size - used, "[%u]", step->index)
                      /* A key, on its way to its value, stands for itself. */
                      : snprintf(out + used, size - used, "%s%s", used > 0 ? "." : "",
                                 QUOTE(step->key != NULL ? step->key->source : step->source));
        used += len < 0 ? 0 : (size_t)len;
    }
}

const char *tree_place(const struct tree *named, const struct tree *from, struct tree_place *out)
{
    if (named->document == from->document) {
        (void)snprintf(out->text, sizeof(out->text), "line %u", named->line);
    } else {
        (void)snprintf(out->text, sizeof(out->text), "%s:%u", named->document->file, named->line);
    }
    return out->text;
}

enum weight { A_PROBLEM, A_WARNING };

/* Of `node`, at `place`. */
static void report(struct problems *problems, enum weight weight, const struct tree *node,
                   const struct tree *place, const char *format, va_list args)
    __attribute__((format(printf, 5, 0)));

static void report(struct problems *problems, enum weight weight, const struct tree *node,
                   const struct tree *place, const char *format, va_list args)
{
    char path[400];
    char message[1000];
    if (weight == A_PROBLEM && problems_leave_out(problems)) {
        return;
    }
    tree_path(node, path, sizeof(path));
    (void)vsnprintf(message, sizeof(message), format, args);
    (weight == A_PROBLEM ? problems_add : problems_warn)(problems, place->document->file,
                                                         place->line, place->column, "%s%s%s", path,
                                                         path[0] != '\0' ? ": " : "", message);
}

void tree_report(struct problems *problems, const struct tree *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(problems, A_PROBLEM, node, node, format, args);
    va_end(args);
}

void tree_report_key(struct problems *problems, const struct tree *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(problems, A_PROBLEM, node, node->key != NULL ? node->key : node, format, args);
    va_end(args);
}

void tree_warn(struct problems *problems, const struct tree *node, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    report(problems, A_WARNING, node, node, format, args);
    va_end(args);
}

const char *tree_resolve(const struct tree_document *document, struct slice path,
                         struct arena *arena)
{
    if (document->folder[0] == '\0' || slice_starts_with(path, SLICE("/"))) {
        return arena_copy(arena, path).ptr;
    }
    return arena_print(arena, "%s%s%.*s", document->folder,
                       document->folder[1] == '\0' && document->folder[0] == '/' ? "" : "/",
                       SLICE_ARG(path));
}

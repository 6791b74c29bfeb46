#include "gateway/webhook/transform.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "base/json_scan.h"
#include "base/memory.h"
#include "config/hook.h"

/*
 * A tree of spans of the text, of which only what a pointer leads through is opened: the rest is
 * copied as it stands.
 */
enum { ROOT = 0, NOTHING = UINT32_MAX };

enum node_kind { NODE_PLAIN, NODE_OBJECT, NODE_ARRAY };

struct node {
    struct slice name;  /* with its quotes, of an object's member; empty: it is being moved */
    struct slice value; /* as it stands, as long as it is not opened */
    uint32_t first, last, next; /* its members; the next of its parent */
    enum node_kind kind : 8;
    bool opened;
};

struct document {
    struct node *nodes; /* owned; by index, for they move */
    size_t count, size;
    char *made[HOOK_EDITS_MAX]; /* owned: new names, with their quotes */
    unsigned made_count;
    bool changed;
};

/* Where a member hangs. */
struct place {
    uint32_t parent, before, node; /* before: NOTHING if it is the first */
};

static void document_fini(struct document *document)
{
    for (unsigned i = 0; i < document->made_count; i++) {
        memory_free(document->made[i]);
    }
    memory_free(document->nodes);
}

/* ---- the list of members ---- */

static enum status add_node(struct document *document, struct slice value, uint32_t *ret)
{
    if (document->count == TRANSFORM_MEMBERS_MAX) {
        return STATUS_TOO_LARGE;
    }
    MEMORY_GROW(document->nodes, document->count, &document->size);
    *ret = (uint32_t)document->count++;
    char first = value.len > 0 ? value.ptr[0] : ' ';
    document->nodes[*ret] = (struct node){
        .value = value,
        .first = NOTHING,
        .last = NOTHING,
        .next = NOTHING,
        .kind = first == '{'   ? NODE_OBJECT
                : first == '[' ? NODE_ARRAY
                               : NODE_PLAIN,
    };
    return STATUS_OK;
}

static void hang(struct document *document, uint32_t parent, uint32_t child)
{
    struct node *nodes = document->nodes;
    nodes[child].next = NOTHING;
    if (nodes[parent].last == NOTHING) {
        nodes[parent].first = child;
    } else {
        nodes[nodes[parent].last].next = child;
    }
    nodes[parent].last = child;
}

static void take_off(struct document *document, const struct place *place)
{
    struct node *nodes = document->nodes;
    struct node *parent = &nodes[place->parent];
    uint32_t next = nodes[place->node].next;
    if (place->before == NOTHING) {
        parent->first = next;
    } else {
        nodes[place->before].next = next;
    }
    if (parent->last == place->node) {
        parent->last = place->before;
    }
    document->changed = true;
}

/* ---- opening ---- */

/* Without the blanks, commas and colons in front. */
static struct slice skip_between(struct slice text)
{
    size_t count = 0;
    while (count < text.len && memchr(" \t\r\n,:", text.ptr[count], 6) != NULL) {
        count++;
    }
    return slice_skip(text, count);
}

static struct slice up_to(struct slice from, struct slice rest)
{
    return slice_make(from.ptr, (size_t)(rest.ptr - from.ptr));
}

/* Makes nodes of the members. The text was scanned before: it is valid. */
static enum status open_node(struct document *document, uint32_t index)
{
    struct json_scan scan;
    enum json_event event;
    struct slice rest = document->nodes[index].value;
    struct slice name = SLICE("");
    struct slice begin = slice_skip(rest, 1); /* of what comes next */
    if (document->nodes[index].opened || document->nodes[index].kind == NODE_PLAIN) {
        return STATUS_OK;
    }
    json_scan_init(&scan);
    while ((event = json_scan_next(&scan, &rest)) > JSON_MORE) {
        if (scan.depth != 1) {
            continue;
        }
        if (event == JSON_NAME) {
            begin = skip_between(begin);
            name = up_to(begin, rest);
            begin = rest;
        } else if (event != JSON_OBJECT_BEGIN && event != JSON_ARRAY_BEGIN) {
            uint32_t member;
            begin = skip_between(begin);
            TRY(add_node(document, up_to(begin, rest), &member));
            document->nodes[member].name = name;
            hang(document, index, member);
            begin = rest;
        }
    }
    document->nodes[index].opened = true;
    return STATUS_OK;
}

/* ---- pointers ---- */

/* One step of a pointer, unescaped. */
struct token {
    char bytes[JSON_SCAN_TEXT];
    size_t len;
    bool too_long; /* nothing is called so */
};

/* Takes the first step off a pointer that is not empty. */
static void take_token(struct slice *pointer, struct token *ret)
{
    size_t at = 1; /* behind the '/' */
    *ret = (struct token){.len = 0};
    for (; at < pointer->len && pointer->ptr[at] != '/'; at++) {
        char byte = pointer->ptr[at];
        if (byte == '~' && at + 1 < pointer->len) {
            at++;
            byte = pointer->ptr[at] == '0' ? '~' : '/';
        }
        if (ret->len == sizeof(ret->bytes)) {
            ret->too_long = true;
        } else {
            ret->bytes[ret->len++] = byte;
        }
    }
    *pointer = slice_skip(*pointer, at);
}

static bool is_called(struct slice quoted, const struct token *token)
{
    if (quoted.len == 0) {
        return false;
    }
    struct slice wanted = slice_make(token->bytes, token->len);
    struct slice plain = slice_make(quoted.ptr + 1, quoted.len - 2);
    if (slice_find(plain, '\\') == plain.len) {
        return slice_equal(plain, wanted);
    }
    struct json_scan scan;
    json_scan_init(&scan);
    return json_scan_next(&scan, &quoted) == JSON_STRING && json_scan_is(&scan, wanted);
}

/* "0", "12": an array's index as RFC 6901 has it. */
static bool index_of(const struct token *token, uint64_t *ret)
{
    struct slice text = slice_make(token->bytes, token->len);
    return (text.len == 1 || (text.len > 1 && text.ptr[0] != '0')) &&
           slice_number(text, TRANSFORM_MEMBERS_MAX, ret);
}

/* The last one of that name; of an array the one of that index. False: there is none. */
static bool find_member(const struct document *document, uint32_t parent, const struct token *token,
                        struct place *ret)
{
    const struct node *nodes = document->nodes;
    uint64_t wanted = 0;
    uint64_t at = 0;
    bool found = false;
    bool array = nodes[parent].kind == NODE_ARRAY;
    if (token->too_long || (array && !index_of(token, &wanted))) {
        return false;
    }
    struct place place = {parent, NOTHING, nodes[parent].first};
    for (; place.node != NOTHING; at++) {
        if (array ? at == wanted : is_called(nodes[place.node].name, token)) {
            *ret = place;
            found = true;
        }
        place.before = place.node;
        place.node = nodes[place.node].next;
    }
    return found;
}

/* Follows the pointer up to its last step: that one's parent, and the step. *ret_parent NOTHING:
 * there is no such array or object. `never`: is not gone through. */
static enum status find_parent(struct document *document, struct slice pointer, uint32_t never,
                               uint32_t *ret_parent, struct token *ret_last)
{
    uint32_t parent = ROOT;
    struct place place;
    *ret_parent = NOTHING;
    if (pointer.len == 0) {
        return STATUS_OK;
    }
    for (;;) {
        TRY(open_node(document, parent));
        take_token(&pointer, ret_last);
        if (document->nodes[parent].kind == NODE_PLAIN || parent == never) {
            return STATUS_OK;
        }
        if (pointer.len == 0) {
            *ret_parent = parent;
            return STATUS_OK;
        }
        if (!find_member(document, parent, ret_last, &place)) {
            return STATUS_OK;
        }
        parent = place.node;
    }
}

/* ---- edits ---- */

static void drop_all(struct document *document, uint32_t parent, const struct token *token)
{
    struct place place;
    while (find_member(document, parent, token, &place)) {
        take_off(document, &place);
        if (document->nodes[parent].kind == NODE_ARRAY) {
            return; /* the index is the next one's now */
        }
    }
}

static enum status apply_drop(struct document *document, const struct hook_edit *edit)
{
    struct token last;
    uint32_t parent;
    TRY(find_parent(document, edit->from, NOTHING, &parent, &last));
    if (parent != NOTHING) {
        drop_all(document, parent, &last);
    }
    return STATUS_OK;
}

static enum status make_name(struct document *document, const struct token *token,
                             struct slice *ret)
{
    struct buffer text CLEANUP(buffer_fini);
    buffer_init(&text, 6 * sizeof(token->bytes) + 2);
    TRY(encode_json_string(slice_make(token->bytes, token->len), &text));
    char *copy = memory_copy(buffer_bytes(&text));
    *ret = slice_make(copy, buffer_len(&text));
    document->made[document->made_count++] = copy;
    return STATUS_OK;
}

static void unhook(struct document *document, uint32_t parent, uint32_t index)
{
    struct place place = {parent, NOTHING, document->nodes[parent].first};
    while (place.node != index) {
        place.before = place.node;
        place.node = document->nodes[place.node].next;
    }
    take_off(document, &place);
}

/* Within one object it keeps its place, else it becomes the last one of the other. What has its old
 * or its new name besides goes: an object that it stands in may be among that. */
static enum status move_member(struct document *document, const struct place *from,
                               const struct token *old, uint32_t to, const struct token *new)
{
    struct slice name;
    TRY(make_name(document, new, &name));
    document->nodes[from->node].name = slice_make("", 0);
    if (document->nodes[from->parent].kind == NODE_OBJECT) {
        drop_all(document, from->parent, old);
    }
    drop_all(document, to, new);
    if (to != from->parent) {
        unhook(document, from->parent, from->node);
        hang(document, to, from->node);
    }
    document->nodes[from->node].name = name;
    document->changed = true;
    return STATUS_OK;
}

static enum status apply_rename(struct document *document, const struct hook_edit *edit)
{
    struct token old;
    struct token new;
    struct place from;
    uint32_t parent;
    uint32_t to;
    TRY(find_parent(document, edit->from, NOTHING, &parent, &old));
    if (parent == NOTHING || !find_member(document, parent, &old, &from)) {
        return STATUS_OK;
    }
    TRY(find_parent(document, edit->to, from.node, &to, &new)); /* not into itself */
    if (to == NOTHING || new.too_long || document->nodes[to].kind != NODE_OBJECT) {
        return STATUS_OK;
    }
    return move_member(document, &from, &old, to, &new);
}

/* ---- writing ---- */

static enum status write_node(const struct document *document, uint32_t index, struct buffer *out)
{
    const struct node *node = &document->nodes[index];
    if (!node->opened) {
        return buffer_append(out, node->value);
    }
    bool object = node->kind == NODE_OBJECT;
    TRY(buffer_append(out, object ? SLICE("{") : SLICE("[")));
    for (uint32_t at = node->first; at != NOTHING; at = document->nodes[at].next) {
        TRY(buffer_append(out, at == node->first ? SLICE("") : SLICE(",")));
        if (object) {
            TRY(buffer_append(out, document->nodes[at].name));
            TRY(buffer_append(out, SLICE(":")));
        }
        /* As deep as it was scanned: JSON_SCAN_DEPTH. NOLINTNEXTLINE(misc-no-recursion) */
        TRY(write_node(document, at, out));
    }
    return buffer_append(out, object ? SLICE("}") : SLICE("]"));
}

static bool is_json(struct slice text)
{
    struct json_scan scan;
    enum json_event event;
    json_scan_init(&scan);
    while ((event = json_scan_next(&scan, &text)) > JSON_MORE) {
    }
    while (event >= JSON_MORE) {
        event = json_scan_end(&scan);
    }
    return event == JSON_DONE;
}

static enum status apply_all(struct document *document, const struct hook_edit *edits,
                             unsigned count, struct slice body)
{
    uint32_t root;
    size_t front = 0;
    while (front < body.len && memchr(" \t\r\n", body.ptr[front], 4) != NULL) {
        front++;
    }
    TRY(add_node(document, slice_skip(body, front), &root));
    for (unsigned i = 0; i < count; i++) {
        switch (edits[i].kind) {
        case HOOK_DROP:
            TRY(apply_drop(document, &edits[i]));
            break;
        case HOOK_RENAME:
            TRY(apply_rename(document, &edits[i]));
            break;
        }
    }
    return STATUS_OK;
}

enum status transform_body(const struct hook_edit *edits, unsigned count, struct slice body,
                           struct buffer *out, bool *ret_changed)
{
    struct document document CLEANUP(document_fini) = {.nodes = NULL};
    *ret_changed = false;
    if (count == 0 || !is_json(body)) {
        return STATUS_OK;
    }
    TRY(apply_all(&document, edits, count, body));
    *ret_changed = document.changed;
    return document.changed ? write_node(&document, ROOT, out) : STATUS_OK;
}

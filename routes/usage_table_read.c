/* usage_table_read: one table from its JSON file, whose form is in usages/README.md. */
#include "base/embedded.h"
#include "base/http1.h"
#include "base/json.h"
#include "base/memory.h"
#include "routes/usage_table.h"

extern const struct embedded_file usages_data[];

static const struct json_limits limits = {
    .bytes = (size_t)16 * 1024,
    .depth = 4,
    .names = JSON_NAMES_ONCE,
};

static const struct {
    const char *name;
    enum usage_dialect dialect;
} dialects[] = {
    {"openai-chat", USAGE_OPENAI_CHAT},
    {"openai-responses", USAGE_OPENAI_RESPONSES},
    {"anthropic", USAGE_ANTHROPIC},
    {"gemini", USAGE_GEMINI},
    {"cohere", USAGE_COHERE},
    {"bedrock", USAGE_BEDROCK},
    {"plain", USAGE_PLAIN},
};

/* What a text says: words, then a pointer, a header's name or a number. */
struct words {
    struct slice rest;
    bool in_answer, in_event, in_request;
    struct slice pointer;
    struct slice selector; /* "if SELECTOR=VALUE" */
};

/* Takes a word off; empty: there is none. */
static struct slice take_word(struct slice *text)
{
    *text = slice_trim(*text);
    struct slice word = slice_make(text->ptr, slice_find(*text, ' '));
    *text = slice_skip(*text, word.len);
    return word;
}

/* False: it is no such word. */
static bool read_mark(struct slice word, struct usage_place *place, struct words *words)
{
    if (slice_equal(word, SLICE("event"))) {
        words->in_answer = false;
    } else if (slice_equal(word, SLICE("body"))) {
        words->in_event = false;
    } else if (slice_equal(word, SLICE("request"))) {
        words->in_request = true;
        words->in_answer = false;
        words->in_event = false;
    } else if (slice_equal(word, SLICE("early"))) {
        place->early = true;
    } else if (slice_equal(word, SLICE("last"))) {
        place->last = true;
    } else if (slice_equal(word, SLICE("plus"))) {
        place->plus = true;
    } else if (slice_equal(word, SLICE("quoted"))) {
        place->quoted = true;
    } else if (slice_equal(word, SLICE("count"))) {
        place->kind = PLACE_COUNT;
    } else if (slice_equal(word, SLICE("characters"))) {
        place->kind = PLACE_CHARACTERS;
    } else {
        return false;
    }
    return true;
}

static enum status read_condition(struct slice text, struct usage_place *place, struct words *words,
                                  struct error *err)
{
    if (slice_trim(text).len == 0) {
        return STATUS_OK;
    }
    struct slice word = take_word(&text);
    struct slice condition = take_word(&text);
    size_t equals = slice_find(condition, '=');
    if (!slice_equal(word, SLICE("if")) || equals == 0 || equals + 1 >= condition.len ||
        slice_trim(text).len > 0) {
        FAIL(err, STATUS_INVALID, "behind the pointer only \"if NAME=VALUE\" is expected");
    }
    words->selector = slice_make(condition.ptr, equals);
    place->value = slice_skip(condition, equals + 1);
    return STATUS_OK;
}

/* "event early /a/b", "count /data", "/a/<star>/n if kind=X", "header x-n", "1". */
static enum status read_words(struct slice text, struct usage_place *place, struct words *words,
                              struct error *err)
{
    struct slice word = take_word(&text);
    while (read_mark(word, place, words)) {
        word = take_word(&text);
    }
    if (slice_equal(word, SLICE("header"))) {
        place->kind = PLACE_HEADER;
        place->header = take_word(&text);
        words->in_answer = false;
        words->in_event = false;
        if (!http1_valid_token(place->header) || slice_trim(text).len > 0) {
            FAIL(err, STATUS_INVALID, "a header's name is expected");
        }
        return STATUS_OK;
    }
    if (slice_number(word, USAGE_TOKENS_MAX, &place->constant)) {
        place->kind = PLACE_CONSTANT;
        words->in_answer = false;
        words->in_event = false;
        return STATUS_OK;
    }
    if (word.len < 2 || word.ptr[0] != '/') {
        FAIL(err, STATUS_INVALID, "\"%.*s\" is no pointer such as /usage/tokens", SLICE_ARG(word));
    }
    words->pointer = word;
    return read_condition(text, place, words, err);
}

/* ---- the trees ---- */

/* 0: there is no room. */
static uint8_t add_node(struct usage_table *table, struct slice name)
{
    if (table->node_count >= USAGE_NODES_MAX) {
        return 0;
    }
    uint8_t index = (uint8_t)table->node_count++;
    table->nodes[index].name = name;
    return index;
}

static uint8_t child_of(struct usage_table *table, uint8_t outer, struct slice name)
{
    for (uint8_t at = table->nodes[outer].child; at != 0; at = table->nodes[at].next) {
        if (slice_equal(table->nodes[at].name, name)) {
            return at;
        }
    }
    uint8_t index = add_node(table, name);
    if (index != 0) {
        table->nodes[index].next = table->nodes[outer].child;
        table->nodes[outer].child = index;
    }
    return index;
}

static void add_place(struct usage_table *table, uint8_t node, unsigned place)
{
    struct usage_place *first = &table->places[place];
    if (table->nodes[node].place != 0 && table->nodes[node].place != 1 + place) {
        first->also = table->nodes[node].place;
    }
    table->nodes[node].place = (uint8_t)(1 + place);
}

/* The node that the pointer leads to, with those on the way. What holds figures is known by being
 * named, not at the top, and having one as a member, or a member that has. */
static enum status add_pointer(struct usage_table *table, enum usage_tree tree,
                               const struct words *words, unsigned place, struct error *err)
{
    struct slice rest = words->pointer;
    uint8_t at = table->roots[tree];
    bool several = false;
    if (at == 0) {
        at = add_node(table, slice_make("", 0));
        table->roots[tree] = at;
    }
    while (rest.len > 0 && at != 0) {
        rest = slice_skip(rest, 1);
        struct slice name = slice_make(rest.ptr, slice_find(rest, '/'));
        rest = slice_skip(rest, name.len);
        bool each = slice_equal(name, SLICE("*"));
        table->places[place].sums |= each && !table->places[place].last;
        if (rest.len == 0 && table->places[place].kind != PLACE_COUNT) {
            table->nodes[at].holds = at != table->roots[tree] && table->nodes[at].name.len > 0;
            if (words->selector.len > 0) {
                table->nodes[at].selector = words->selector;
            }
        }
        several |= each;
        at = child_of(table, at, each ? slice_make("", 0) : name);
        table->nodes[at].several = several;
    }
    if (at == 0) {
        FAIL(err, STATUS_INVALID, "there is room for %d members only", USAGE_NODES_MAX);
    }
    add_place(table, at, place);
    return STATUS_OK;
}

/* Below one that holds figures all do, but for lists. */
static void spread_holds(struct usage_table *table, uint8_t outer)
{
    for (uint8_t at = table->nodes[outer].child; at != 0; at = table->nodes[at].next) {
        struct usage_node *node = &table->nodes[at];
        bool is_object = node->child != 0 && table->nodes[node->child].name.len > 0;
        node->holds |= table->nodes[outer].holds && is_object && node->name.len > 0;
        spread_holds(table, at);
    }
}

/* ---- one table ---- */

static enum status add_text(struct arena *arena, struct usage_table *table, unsigned figure,
                            bool seconds, const struct cJSON *value, struct error *err)
{
    struct slice text;
    struct words words = {.in_answer = true, .in_event = true};
    if (!json_string(value, &text)) {
        FAIL(err, STATUS_INVALID, "a text is expected");
    }
    if (table->place_count == USAGE_PLACES_MAX) {
        FAIL(err, STATUS_INVALID, "there is room for %d places only", USAGE_PLACES_MAX);
    }
    unsigned place = table->place_count++;
    table->places[place].figure = (uint8_t)figure;
    table->places[place].kind = seconds ? PLACE_SECONDS : PLACE_NUMBER;
    TRY(read_words(arena_copy(arena, text), &table->places[place], &words, err));
    table->merges |= table->places[place].early;
    const bool in[USAGE_TREES] = {words.in_answer, words.in_event, words.in_request};
    for (enum usage_tree tree = TREE_ANSWER; tree < USAGE_TREES; tree++) {
        if (in[tree]) {
            TRY(add_pointer(table, tree, &words, place, err));
        }
    }
    return STATUS_OK;
}

/* USAGE_FIGURES: it is none. */
static unsigned find_figure(struct slice name, bool *ret_seconds)
{
    *ret_seconds = slice_equal(name, SLICE("seconds"));
    if (*ret_seconds) {
        return USAGE_MILLISECONDS;
    }
    for (enum usage_kind kind = USAGE_INPUT; kind < USAGE_KINDS; kind++) {
        if (kind != USAGE_MILLISECONDS && slice_equal(name, usage_kind_name(kind))) {
            return kind;
        }
    }
    return slice_equal(name, SLICE("total"))        ? (unsigned)FIGURE_TOTAL
           : slice_equal(name, SLICE("input_more")) ? (unsigned)FIGURE_INPUT_MORE
                                                    : (unsigned)USAGE_FIGURES;
}

/* A text, or a list of them in the order of looking. */
static enum status read_figure(struct arena *arena, struct usage_table *table,
                               const struct cJSON *value, struct error *err)
{
    bool seconds;
    unsigned figure = find_figure(slice_from(json_name(value)), &seconds);
    if (figure == USAGE_FIGURES) {
        FAIL(err, STATUS_INVALID, "unknown member");
    }
    if (!json_is_array(value)) {
        return add_text(arena, table, figure, seconds, value, err);
    }
    for (const struct cJSON *item = json_first(value); item != NULL; item = json_next(item)) {
        TRY(add_text(arena, table, figure, seconds, item, err));
    }
    return STATUS_OK;
}

static enum status read_within(const struct cJSON *value, struct usage_table *table,
                               struct error *err)
{
    for (const struct cJSON *item = json_first(value); item != NULL; item = json_next(item)) {
        struct slice name;
        bool seconds;
        unsigned figure =
            json_string(item, &name) ? find_figure(name, &seconds) : (unsigned)USAGE_FIGURES;
        if (figure >= USAGE_IMAGES) {
            FAIL(err, STATUS_INVALID, "kinds of tokens are expected");
        }
        table->within |= 1U << figure;
    }
    return STATUS_OK;
}

static enum status read_dialect(const struct cJSON *value, struct usage_table *table,
                                struct error *err)
{
    struct slice name;
    for (size_t i = 0; json_string(value, &name) && i < sizeof(dialects) / sizeof(dialects[0]);
         i++) {
        if (slice_equal(name, slice_from(dialects[i].name))) {
            table->dialect = dialects[i].dialect;
            return STATUS_OK;
        }
    }
    FAIL(err, STATUS_INVALID, "none of those that are known");
}

static enum status read_member(struct arena *arena, const struct cJSON *member,
                               struct usage_table *table, struct error *err)
{
    struct slice name = slice_from(json_name(member));
    if (slice_equal(name, SLICE("grammar"))) {
        return read_dialect(member, table, err);
    }
    if (slice_equal(name, SLICE("within"))) {
        return read_within(member, table, err);
    }
    return read_figure(arena, table, member, err);
}

static enum status read_root(struct arena *arena, const struct cJSON *root,
                             struct usage_table *table, struct error *err)
{
    if (!json_is_object(root)) {
        FAIL(err, STATUS_INVALID, "an object is expected");
    }
    for (const struct cJSON *member = json_first(root); member != NULL;
         member = json_next(member)) {
        if (read_member(arena, member, table, err) != STATUS_OK) {
            error_prefix(err, "%s", json_name(member));
            return STATUS_INVALID;
        }
    }
    for (enum usage_tree tree = TREE_ANSWER; tree < USAGE_TREES; tree++) {
        spread_holds(table, table->roots[tree]);
    }
    return STATUS_OK;
}

enum status usage_table_read(struct arena *arena, struct slice name, struct slice json,
                             struct usage_table *ret, struct error *err)
{
    struct cJSON *root CLEANUP(json_free_at) = NULL;
    *ret = (struct usage_table){
        .name = arena_copy(arena, name),
        .dialect = USAGE_PLAIN,
        .node_count = 1,
    };
    enum status status = json_parse(json, &limits, &root, err);
    if (status == STATUS_OK) {
        status = read_root(arena, root, ret, err);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "usage %s", ret->name.ptr);
    }
    return status;
}

enum status usage_table_load(struct arena *arena, struct slice name, const struct usage_table **ret,
                             struct error *err)
{
    for (const struct embedded_file *file = usages_data; file->name != NULL; file++) {
        struct slice known = slice_from(file->name);
        known.len = slice_find(known, '.');
        if (slice_equal(known, name)) {
            struct usage_table *table = ARENA_NEW(arena, struct usage_table);
            *ret = table;
            return usage_table_read(arena, name, slice_make(file->bytes, file->len), table, err);
        }
    }
    FAIL(err, STATUS_NOT_FOUND, "\"%.*s\" is none of those in usages/", SLICE_ARG(name));
}

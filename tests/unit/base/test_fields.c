#include "base/field_values.h"
#include "base/fields.h"
#include "base/memory.h"

#include <unistd.h>

#include <criterion/criterion.h>

/* Documents are made by hand here: the line is where a node was made, the column 1 for keys and 10
 * for values. */
static struct arena arena;
static struct problems problems;
static const struct tree_document document = {.file = "t", .folder = "/folder"};

static void setup(void)
{
    arena = (struct arena){0};
    problems = (struct problems){0};
}

static void teardown(void)
{
    arena_fini(&arena);
    problems_fini(&problems);
}

TestSuite(fields, .init = setup, .fini = teardown);

static struct tree *make(enum tree_kind kind)
{
    struct tree *node = ARENA_NEW(&arena, struct tree);
    node->kind = kind;
    node->line = 1;
    node->column = 10;
    node->document = &document;
    return node;
}

static struct tree *scalar(const char *text)
{
    struct tree *node = make(TREE_SCALAR);
    node->text = arena_copy(&arena, slice_from(text));
    node->source = node->text;
    return node;
}

static struct tree *add(struct tree *parent, unsigned line, const char *key, struct tree *value)
{
    struct tree **items = ARENA_ARRAY(&arena, struct tree *, parent->count + 1);
    if (parent->count > 0) {
        memcpy(items, parent->items, parent->count * sizeof(struct tree *));
    }
    if (key != NULL) {
        struct tree *name = scalar(key);
        name->line = line;
        name->column = 1;
        name->parent = parent;
        value->key = name;
    }
    value->line = line;
    value->parent = parent;
    value->index = parent->count;
    items[parent->count++] = value;
    parent->items = items;
    return parent;
}

struct inner {
    unsigned number;
    bool word;
};

struct item {
    const struct tree *node;
    const char *text;
};

struct sample {
    bool flag;
    unsigned count;
    usec_t wait;
    uint64_t size;
    unsigned color;
    const char *text;
    const char *path;
    const char *file;
    const struct tree *node;
    const struct tree *texts;
    const struct tree *map;
    struct inner inner;
    struct field_items list;
    struct field_items named;
    unsigned share;
    struct field_items pool;
};

static const char *const colors[] = {"red", "green", "blue", NULL};
static const struct field inner_fields[] = {
    FIELD_UINT(struct inner, number, .max = 9, .required = true, .fallback = 4),
    FIELD_END,
};
static const struct field item_fields[] = {
    FIELD_STRING(struct item, text, .fallback_text = "none"),
    FIELD_END,
};
static const struct field sample_fields[] = {
    FIELD_BOOL(struct sample, flag, .fallback = true),
    FIELD_UINT(struct sample, count, .min = 1, .max = 5000, .fallback = 7, .word = "auto"),
    FIELD_DURATION(struct sample, wait, .min = SEC, .max = 3600 * SEC, .fallback = 5 * SEC),
    FIELD_SIZE(struct sample, size, .min = 10, .max = 1024 * 1024, .fallback = 64),
    FIELD_ENUM(struct sample, color, .names = colors, .fallback = 2),
    FIELD_STRING(struct sample, text, .fallback_text = "usual"),
    FIELD_PATH(struct sample, path),
    FIELD_FILE(struct sample, file),
    FIELD_TEXT(struct sample, node),
    FIELD_TEXTS(struct sample, texts, .lone = true),
    FIELD_TEXT_MAP(struct sample, map),
    FIELD_SECTION(struct sample, inner, inner_fields, .word = "none",
                  .word_offset = offsetof(struct inner, word)),
    FIELD_LIST(struct sample, list, struct item, item_fields),
    FIELD_NAMED(struct sample, named, struct item, item_fields),
    FIELD_SHARE(struct sample, share, .min = 1, .max = 100, .fallback = 20),
    FIELD_LIST(struct sample, pool, struct item, item_fields, .lone = true, .word = "none",
               .example = "{text: a}"),
    FIELD_END,
};

static struct sample bind(const struct tree *map)
{
    const struct fields_sink sink = {.arena = &arena, .problems = &problems};
    struct sample sample;
    memset(&sample, 0xee, sizeof(sample));
    fields_bind(&sink, map, sample_fields, &sample);
    return sample;
}

static void expect_lines(const char *const *expected, unsigned count)
{
    problems_sort(&problems);
    cr_expect_eq(problems.count, count, "%u problems", problems.count);
    for (unsigned i = 0; i < problems.count; i++) {
        char line[500];
        problem_format(&problems.list[i], line, sizeof(line));
        cr_expect_str_eq(line, i < count ? expected[i] : "", "%s", line);
    }
}

Test(fields, supplies_defaults_and_asks_nothing_of_sections_that_are_absent)
{
    struct sample sample = bind(NULL);
    expect_lines(NULL, 0);
    cr_expect(sample.flag);
    cr_expect_eq(sample.count, 7U);
    cr_expect_eq(sample.wait, 5 * SEC);
    cr_expect_eq(sample.size, 64U);
    cr_expect_eq(sample.color, 2U);
    cr_expect_str_eq(sample.text, "usual");
    cr_expect_null(sample.path);
    cr_expect_null(sample.file);
    cr_expect_null(sample.node);
    cr_expect_null(sample.texts);
    cr_expect_null(sample.map);
    cr_expect_eq(sample.inner.number, 4U);
    cr_expect_eq(sample.list.count, 0U);
    cr_expect_eq(sample.named.count, 0U);
}

Test(fields, fills_every_kind)
{
    struct tree *map = make(TREE_MAP);
    add(map, 1, "flag", scalar("false"));
    add(map, 2, "count", scalar("2k"));
    add(map, 3, "wait", scalar("5m"));
    add(map, 4, "size", scalar("64KiB"));
    add(map, 5, "color", scalar("green"));
    add(map, 6, "text", scalar("hello"));
    add(map, 7, "path", scalar("a/b"));
    add(map, 8, "file", scalar("/dev/../proc/self/status"));
    add(map, 9, "node", scalar("x"));
    add(map, 10, "texts", scalar("lone"));
    add(map, 11, "map", add(make(TREE_MAP), 11, "k", scalar("v")));
    add(map, 12, "inner", add(make(TREE_MAP), 12, "number", scalar("3")));
    add(map, 13, "list",
        add(add(make(TREE_LIST), 13, NULL, make(TREE_MAP)), 13, NULL,
            add(make(TREE_MAP), 13, "text", scalar("two"))));
    add(map, 14, "named", add(make(TREE_MAP), 14, "n1", scalar("")));
    struct sample sample = bind(map);
    expect_lines(NULL, 0);
    cr_expect_not(sample.flag);
    cr_expect_eq(sample.count, 2000U);
    cr_expect_eq(sample.wait, 300 * SEC);
    cr_expect_eq(sample.size, 65536U);
    cr_expect_eq(sample.color, 1U);
    cr_expect_str_eq(sample.text, "hello");
    cr_expect_str_eq(sample.path, "/folder/a/b");
    cr_expect_str_eq(sample.file, "/dev/../proc/self/status");
    cr_expect(slice_equal(sample.node->text, SLICE("x")));
    cr_expect(slice_equal(sample.texts->text, SLICE("lone")));
    cr_expect_eq(sample.map->count, 1U);
    cr_expect_eq(sample.inner.number, 3U);
    cr_assert_eq(sample.list.count, 2U);
    const struct item *items = sample.list.items;
    cr_expect_str_eq(items[0].text, "none");
    cr_expect_str_eq(items[1].text, "two");
    cr_assert_eq(sample.named.count, 1U);
    items = sample.named.items;
    cr_expect(slice_equal(items[0].node->key->text, SLICE("n1")));
}

Test(fields, takes_the_words_that_stand_for_numbers_and_sections)
{
    struct tree *map = make(TREE_MAP);
    add(map, 1, "count", scalar("auto"));
    add(map, 2, "inner", scalar("none"));
    struct sample sample = bind(map);
    expect_lines(NULL, 0);
    cr_expect_eq(sample.count, 0U);
    cr_expect(sample.inner.word);
}

Test(fields, reads_whole_percents)
{
    struct tree *map = make(TREE_MAP);
    add(map, 1, "share", scalar("100%"));
    cr_expect_eq(bind(map).share, 100U);
    expect_lines(NULL, 0);
    cr_expect_eq(bind(NULL).share, 20U);
}

Test(fields, takes_a_section_alone_for_a_list_of_one_and_a_word_for_none)
{
    struct tree *map = make(TREE_MAP);
    add(map, 1, "pool", add(make(TREE_MAP), 1, "text", scalar("alone")));
    struct sample sample = bind(map);
    cr_assert_eq(sample.pool.count, 1U);
    const struct item *items = sample.pool.items;
    cr_expect_str_eq(items[0].text, "alone");
    cr_expect_eq(items[0].node, map->items[0]);

    map = make(TREE_MAP);
    add(map, 1, "pool",
        add(add(make(TREE_LIST), 1, NULL, make(TREE_MAP)), 1, NULL, make(TREE_MAP)));
    cr_expect_eq(bind(map).pool.count, 2U);

    map = make(TREE_MAP);
    add(map, 1, "pool", scalar("none"));
    cr_expect_eq(bind(map).pool.count, 0U);
    expect_lines(NULL, 0);
}

Test(fields, a_section_alone_is_no_list_unless_it_may_be)
{
    struct tree *map = make(TREE_MAP);
    add(map, 1, "list", add(make(TREE_MAP), 1, "text", scalar("x")));
    add(map, 2, "pool", scalar("nonee"));
    add(map, 3, "share", scalar("20"));
    struct sample sample = bind(map);
    static const char *const expected[] = {
        "t:1:10: list: expected a list, found a map; write [{key: value}]",
        "t:2:10: pool: expected a map, or a list of such, found a single value; write {text: a}, "
        "or none",
        "t:3:10: share: \"20\": no unit; write whole percents such as 20%",
    };
    expect_lines(expected, 3);
    cr_expect_eq(sample.list.count, 0U);
    cr_expect_eq(sample.pool.count, 0U);
}

Test(fields, reports_everything_at_once_with_path_place_and_cure)
{
    struct tree *map = make(TREE_MAP);
    add(map, 1, "flag", scalar("yes"));
    add(map, 2, "count", scalar("5001"));
    add(map, 3, "wait", scalar("5 parsecs"));
    add(map, 4, "size", scalar("9B"));
    add(map, 5, "color", scalar("gren"));
    add(map, 6, "text", make(TREE_LIST));
    add(map, 7, "texts", make(TREE_MAP));
    add(map, 8, "file", scalar("missing"));
    add(map, 9, "node", scalar(""));
    add(map, 10, "inner", make(TREE_MAP));
    add(map, 11, "list", add(make(TREE_LIST), 11, NULL, scalar("x")));
    add(map, 12, "named", add(make(TREE_MAP), 12, "-n", make(TREE_MAP)));
    add(map, 13, "colour", scalar("red"));
    add(map, 14, "zzz", scalar("red"));
    struct sample sample = bind(map);
    static const char *const expected[] = {
        "t:1:10: flag: \"yes\": write true or false",
        "t:2:10: count: \"5001\" is too large; the most is 5000",
        "t:3:10: wait: \"5 parsecs\": unknown unit; write a duration such as 250ms, 10s, 5m, 1h or "
        "1d",
        "t:4:10: size: \"9B\" is too small; the least is 10B",
        "t:5:10: color: \"gren\" is unknown; did you mean \"green\"?",
        "t:6:10: text: expected a single value, found a list; write a text",
        "t:7:10: texts: expected a list, found a map; write [one, two]",
        "t:8:10: file: cannot use the file \"/folder/missing\": no such file",
        "t:9:10: node: there is no value; write a text, or take the line out",
        "t:10:1: inner: number is missing; write number: a whole number such as 600, 2k or 1M",
        "t:11:10: list[0]: expected a map, found a single value; write keys below it, indented, or "
        "{key: value}",
        "t:12:1: named.-n: a name has only a-z, 0-9, '.', '_' and '-', begins with a letter or "
        "digit, and is 64 bytes long at most",
        "t:13:1: colour: unknown key; did you mean \"color\"?",
        "t:14:1: zzz: unknown key; known here: flag, count, wait, size, color, text, path, file, "
        "node, texts, map, inner, list, named, share, pool",
    };
    expect_lines(expected, sizeof(expected) / sizeof(expected[0]));
    /* The defaults stand. */
    cr_expect(sample.flag);
    cr_expect_eq(sample.count, 7U);
    cr_expect_eq(sample.wait, 5 * SEC);
}

Test(fields, passes_over_what_was_reported_before)
{
    struct tree *bad = scalar("x");
    bad->faulty = true;
    struct tree *map = make(TREE_MAP);
    add(map, 1, "count", bad);
    add(map, 2, "inner", add(make(TREE_MAP), 2, "number", scalar("1")));
    (void)bind(map);
    expect_lines(NULL, 0);
}

Test(fields, never_shows_what_a_reference_stands_for)
{
    static const char *const keys[] = {"flag", "count", "wait", "size", "color", "file"};
    struct tree *map = make(TREE_MAP);
    for (unsigned i = 0; i < 6; i++) {
        struct tree *value = scalar("hush-hush");
        value->source = SLICE("${env:X}");
        add(map, i + 1, keys[i], value);
    }
    (void)bind(map);
    cr_expect_eq(problems.count, 6U);
    for (unsigned i = 0; i < problems.count; i++) {
        cr_expect_null(strstr(problems.list[i].message, "hush"), "%s", problems.list[i].message);
    }
}

Test(fields, numbers_are_read_in_all_units_and_refused_when_they_overflow)
{
    static const struct {
        enum field_kind kind;
        const char *text;
        int64_t value; /* -1: refused */
    } cases[] = {
        {FIELD_KIND_UINT, "0", 0},
        {FIELD_KIND_UINT, "600", 600},
        {FIELD_KIND_UINT, "2k", 2000},
        {FIELD_KIND_UINT, "1M", 1000000},
        {FIELD_KIND_UINT, "1.5k", -1},
        {FIELD_KIND_UINT, "-1", -1},
        {FIELD_KIND_UINT, "+1", -1},
        {FIELD_KIND_UINT, "1 k", -1},
        {FIELD_KIND_UINT, "0x10", -1},
        {FIELD_KIND_UINT, "", -1},
        {FIELD_KIND_UINT, "9223372036854775807", INT64_MAX},
        {FIELD_KIND_UINT, "9223372036854775808", -1},
        {FIELD_KIND_UINT, "99999999999999999999999999", -1},
        {FIELD_KIND_DURATION, "250ms", 250 * MSEC},
        {FIELD_KIND_DURATION, "10s", 10 * SEC},
        {FIELD_KIND_DURATION, "5m", 300 * SEC},
        {FIELD_KIND_DURATION, "1h", 3600 * SEC},
        {FIELD_KIND_DURATION, "1d", 86400 * SEC},
        {FIELD_KIND_DURATION, "10", -1},
        {FIELD_KIND_DURATION, "1w", -1},
        {FIELD_KIND_DURATION, "9223372036854775807d", -1},
        {FIELD_KIND_SIZE, "512B", 512},
        {FIELD_KIND_SIZE, "64KiB", 65536},
        {FIELD_KIND_SIZE, "25MiB", 25 * 1024 * 1024},
        {FIELD_KIND_SIZE, "2GiB", INT64_C(2) * 1024 * 1024 * 1024},
        {FIELD_KIND_SIZE, "64KB", -1},
        {FIELD_KIND_SIZE, "64", -1},
        {FIELD_KIND_SHARE, "20%", 20},
        {FIELD_KIND_SHARE, "0%", 0},
        {FIELD_KIND_SHARE, "%", -1},
        {FIELD_KIND_SHARE, "0.2", -1},
        {FIELD_KIND_SHARE, "20 %", -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err;
        int64_t value = -1;
        enum status status =
            field_number_parse(cases[i].kind, slice_from(cases[i].text), &value, &err);
        cr_expect_eq(status == STATUS_OK, cases[i].value >= 0, "%s", cases[i].text);
        cr_expect_eq(value, cases[i].value, "%s", cases[i].text);
    }
}

Test(fields, numbers_are_printed_in_the_largest_exact_unit)
{
    cr_expect_str_eq(FIELD_NUMBER(FIELD_KIND_DURATION, 90 * SEC), "90s");
    cr_expect_str_eq(FIELD_NUMBER(FIELD_KIND_DURATION, 120 * SEC), "2m");
    cr_expect_str_eq(FIELD_NUMBER(FIELD_KIND_DURATION, 0), "0s");
    cr_expect_str_eq(FIELD_NUMBER(FIELD_KIND_DURATION, 1500 * MSEC), "1500ms");
    cr_expect_str_eq(FIELD_NUMBER(FIELD_KIND_SIZE, 1536), "1536B");
    cr_expect_str_eq(FIELD_NUMBER(FIELD_KIND_SIZE, 1024 * 1024), "1MiB");
    cr_expect_str_eq(FIELD_NUMBER(FIELD_KIND_SHARE, 0), "0%");
    cr_expect_str_eq(FIELD_NUMBER(FIELD_KIND_SHARE, 100), "100%");
    cr_expect_str_eq(FIELD_NUMBER(FIELD_KIND_UINT, 20000), "20000");
    cr_expect_str_eq(FIELD_NUMBER(FIELD_KIND_UINT, 2000000), "2M");
}

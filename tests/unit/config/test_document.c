#include "base/memory.h"
#include "config/document.h"
#include "tests/unit/config/problem_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

static struct arena arena;
static struct problems problems;

static void setup(void)
{
    arena = (struct arena){0};
    problems = (struct problems){0};
    cr_assert_eq(setenv("DOC_WORD", "word", 1), 0);
    cr_assert_eq(setenv("DOC_EMPTY", "", 1), 0);
    cr_assert_eq(setenv("DOC_REFERENCE", "${env:DOC_WORD}", 1), 0);
    cr_assert_eq(setenv("DOC_BROKEN", "\xff", 1), 0);
    cr_assert_eq(unsetenv("DOC_MISSING"), 0);
}

static void teardown(void)
{
    arena_fini(&arena);
    problems_fini(&problems);
}

TestSuite(document, .init = setup, .fini = teardown);

static const struct tree *parse(const char *text)
{
    return document_parse(&arena, "f", slice_from(text), &problems);
}

static const char *line_of(unsigned index)
{
    return problem_line(problems.list, problems.count, index);
}

static void expect_place(const struct tree *node, unsigned line, unsigned column)
{
    cr_assert_not_null(node);
    cr_expect_eq(node->line, line, "line %u", node->line);
    cr_expect_eq(node->column, column, "column %u", node->column);
}

Test(document, keeps_shape_and_place_of_every_node)
{
    const struct tree *root = parse("a: 1\n"
                                    "b:\n"
                                    "  - x\n"
                                    "  - {y: \"two words\", \"z\": [p, q]}\n"
                                    "\xc3\xa4\xc3\xb6: z\n");
    cr_assert_eq(problems.count, 0U, "%s", line_of(0));
    cr_assert_eq(root->kind, TREE_MAP);
    cr_expect_eq(root->count, 3U);
    expect_place(tree_get(root, "a"), 1, 4);
    expect_place(tree_get(root, "a")->key, 1, 1);
    const struct tree *list = tree_get(root, "b");
    cr_assert_eq(list->kind, TREE_LIST);
    cr_assert_eq(list->count, 2U);
    expect_place(list->items[0], 3, 5);
    const struct tree *inner = list->items[1];
    cr_assert_eq(inner->kind, TREE_MAP);
    cr_expect(slice_equal(tree_get(inner, "y")->text, SLICE("two words")));
    cr_expect(tree_get(inner, "y")->quoted);
    const struct tree *q = tree_get(inner, "z")->items[1];
    char path[100];
    tree_path(q, path, sizeof(path));
    cr_expect_str_eq(path, "b[1].z[1]");
    expect_place(tree_get(root, "\xc3\xa4\xc3\xb6"), 5, 5); /* in characters, not bytes */
}

Test(document, takes_json)
{
    const struct tree *root = parse("{\"a\": {\"b\": [1, true, \"x\\u0041\"]}}");
    cr_assert_eq(problems.count, 0U, "%s", line_of(0));
    const struct tree *list = tree_get(tree_get(root, "a"), "b");
    cr_assert_eq(list->count, 3U);
    cr_expect(slice_equal(list->items[2]->text, SLICE("xA")));
}

Test(document, knows_what_null_is)
{
    const struct tree *root = parse("a:\nb: ~\nc: null\nd: \"\"\ne: 'null'\nf: nul\n");
    static const bool expected[] = {true, true, true, false, false, false};
    cr_assert_eq(root->count, 6U);
    for (unsigned i = 0; i < 6; i++) {
        cr_expect_eq(tree_is_null(root->items[i]), expected[i], "%u", i);
    }
}

Test(document, replaces_references_and_keeps_what_was_written)
{
    static const struct {
        const char *written, *text;
    } cases[] = {
        {"${env:DOC_WORD}", "word"},
        {"a ${env:DOC_WORD}-${env:DOC_WORD} z", "a word-word z"},
        {"x${env:DOC_EMPTY}", "x"},
        {"$${env:DOC_WORD}", "${env:DOC_WORD}"},
        {"$$${env:DOC_WORD}", "$${env:DOC_WORD}"},
        {"$ $$ $x 5$", "$ $$ $x 5$"},
        {"${env:DOC_REFERENCE}", "${env:DOC_WORD}"}, /* not looked at again */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[200];
        (void)snprintf(text, sizeof(text), "k: \"%s\"", cases[i].written);
        const struct tree *value = tree_get(parse(text), "k");
        cr_assert_eq(problems.count, 0U, "%s", line_of(0));
        cr_expect(slice_equal(value->text, slice_from(cases[i].text)), "%s: %.*s", cases[i].written,
                  SLICE_ARG(value->text));
        cr_expect(slice_equal(value->source, slice_from(cases[i].written)), "%s", cases[i].written);
    }
}

Test(document, replaces_references_in_keys)
{
    const struct tree *root = parse("\"${env:DOC_WORD}\": 1\nword: 2\n");
    cr_assert_not_null(tree_get(root, "word"));
    cr_expect_str_eq(line_of(0),
                     "f:2:1: word: this key is already there, at line 1; keep one of them");
}

Test(document, reads_files_beside_it_without_the_last_newline)
{
    char folder[] = "/tmp/documentXXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    const char *value = arena_print(&arena, "%s/value", folder);
    FILE *file = fopen(value, "w");
    cr_assert_not_null(file);
    (void)fputs("two\nlines\n", file);
    (void)fclose(file);

    const char *config = arena_print(&arena, "%s/c.yaml", folder);
    const char *text = arena_print(
        &arena, "a: ${file:value}\nb: ${file:%s}\nc: ${file:absent}\nd: ${file:.}\ne: ${file:}\n",
        value);
    const struct tree *root = document_parse(&arena, config, slice_from(text), &problems);
    cr_expect(slice_equal(tree_get(root, "a")->text, SLICE("two\nlines")));
    cr_expect(slice_equal(tree_get(root, "b")->text, SLICE("two\nlines")));
    cr_assert_eq(problems.count, 3U);
    cr_expect_str_eq(problems.list[0].message, "c: ${file:absent}: no such file");
    cr_expect_str_eq(problems.list[1].message, "d: ${file:.}: it is a folder");
    cr_expect_str_eq(problems.list[2].message, "e: ${file:}: no path; write ${file:PATH}");
    (void)unlink(value);
    (void)rmdir(folder);
}

static void expect_line(const char *text, const char *expected)
{
    (void)parse(text);
    cr_expect_eq(problems.count, 1U, "%u problems of: %s", problems.count, text);
    cr_expect_str_eq(line_of(0), expected, "%s", line_of(0));
    problems_fini(&problems);
}

Test(document, says_what_is_wrong_with_a_reference)
{
    expect_line("a: ${env:DOC_MISSING}",
                "f:1:4: a: ${env:DOC_MISSING}: the environment variable is not set");
    expect_line("a: ${env:1X}", "f:1:4: a: ${env:1X}: not the name of an environment variable");
    expect_line("a: ${DOC_WORD}", "f:1:4: a: ${DOC_WORD}: write ${env:NAME} or ${file:PATH}, or "
                                  "$${ for a plain ${");
    expect_line("a: x${env:DOC_WORD", "f:1:4: a: \"${\" without \"}\"; write $${ for a plain ${");
    expect_line("a: ${env:DOC_BROKEN}", "f:1:4: a: ${env:DOC_BROKEN}: its value is not UTF-8 text");
}

Test(document, refuses_what_the_format_leaves_out)
{
    expect_line("a: &x 1", "f:1:4: anchors (&name) are not supported; write the value out where it "
                           "is used");
    expect_line("a: *x", "f:1:4: aliases (*name) are not supported; write the value out, or quote "
                         "it");
    expect_line("a: !!str 1",
                "f:1:4: tags (!name) are not supported; take it out, or quote the value");
    expect_line("a: 1\n---\nb: 1\n",
                "f:2:1: a second document begins here; a file has one: take the '---' out");
    expect_line("? [a, b]\n: 1\n",
                "f:1:3: a key must be a single value, not a map or list; quote it if it is text");
    expect_line("a:\n  b: 1\n  c: 2\n  b: 3\n",
                "f:4:3: a.b: this key is already there, at line 2; keep one of them");
    expect_line("", "f: there is nothing in this file; it begins with: version: 1");
    expect_line("# only a comment\n",
                "f: there is nothing in this file; it begins with: version: 1");
}

Test(document, finds_a_key_that_comes_twice_in_a_large_map_too)
{
    char text[4000] = "";
    size_t used = 0;
    for (unsigned i = 0; i < 100; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "k%u: %u\n", i, i);
    }
    (void)snprintf(text + used, sizeof(text) - used, "k3: x\nk77: x\nk99: x\nk100: x\n");
    const struct tree *root = parse(text);
    cr_expect_eq(root->count, 101U);
    cr_expect_eq(problems.count, 3U);
    cr_expect_str_eq(line_of(1),
                     "f:102:1: k77: this key is already there, at line 78; keep one of them");
}

Test(document, a_byte_order_mark_in_front_is_nothing)
{
    const struct tree *root = parse("\xef\xbb\xbfversion: 1\nroutes: 2\n");
    cr_expect_eq(problems.count, 0U, "%s", line_of(0));
    cr_assert_eq(root->count, 2U);
    cr_expect(slice_equal(root->items[0]->key->text, SLICE("version")));
    expect_line("\xef\xbb\xbf"
                "a: @x\n",
                "f:1:4: a value cannot begin with '@' unless it is in quotes");
}

Test(document, says_where_the_syntax_is_broken_and_what_to_write)
{
    expect_line("a:\n\tb: 1\n", "f:2:1: a tab cannot indent; use spaces");
    expect_line("a: {b: 1,\n\tc: ]}\n", "f:2:1: a tab cannot indent; use spaces");
    expect_line("a: @x\n", "f:1:4: a value cannot begin with '@' unless it is in quotes");
    expect_line("a: \"never\nclosed\n", "f:1:4: the quote that opens here is never closed");
    expect_line("{\"a\": 1, \"b\": {\n",
                "f:2:1: a value is expected here; a '[' or '{' above may not be closed");
    expect_line("a: b: c\n",
                "f:1:5: a ':' does not fit here; check the indentation, or put the value in quotes "
                "if it has \": \" in it");
    expect_line("a:\n  b: 1\n c: 1\n",
                "f:3:2: expected a key of the map that begins at 1:1; check the indentation");
    expect_line("a:\n  - b\n  c: 1\n",
                "f:3:3: expected another \"- \" of the list that begins at 2:3; check the "
                "indentation");
    expect_line("a: [1, 2\nb: 3\n", "f:2:2: expected ',' or ']' in the list that begins at 1:4");
    expect_line("a: 1\nwords without\nb: 2\n",
                "f:3:1: a key needs a ':' and a blank behind it (the key begins at 2:1)");
    expect_line("a: \"\\q\"\n", "f:1:5: unknown escape in double quotes; write \\\\ for a "
                                "backslash, or use single quotes");
}

Test(document, refuses_bytes_that_no_text_has)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *expected;
    } cases[] = {
        {"a: 1\nb: \0x", 10,
         "f:2:4: a control character (0x00); take it out, or write it as an "
         "escape in double quotes"},
        {"a: \x1b[0m", 7,
         "f:1:4: a control character (0x1b); take it out, or write it as an "
         "escape in double quotes"},
        {"a: \xc3\xa4\xff", 6, "f:1:5: byte 0xff is not UTF-8; save the file as UTF-8"},
        {"a: \xed\xa0\x80", 6, "f:1:4: byte 0xed is not UTF-8; save the file as UTF-8"},
        {"a: \xc0\xaf", 5, "f:1:4: byte 0xc0 is not UTF-8; save the file as UTF-8"},
        {"a: \xe2\x82", 5, "f:1:4: byte 0xe2 is not UTF-8; save the file as UTF-8"},
        {"\xff\xfe", 2, "f:1:1: byte 0xff is not UTF-8; save the file as UTF-8"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_null(
            document_parse(&arena, "f", slice_make(cases[i].bytes, cases[i].len), &problems));
        cr_expect_eq(problems.count, 1U);
        cr_expect_str_eq(line_of(0), cases[i].expected, "%s", line_of(0));
        problems_fini(&problems);
    }
    expect_line("a: \"\\0\"", "f:1:4: a value cannot have a NUL (\\0) in it");
}

Test(document, bounds_depth)
{
    char text[200];
    memset(text, '[', DOCUMENT_DEPTH_MAX);
    memset(text + DOCUMENT_DEPTH_MAX, ']', DOCUMENT_DEPTH_MAX);
    cr_expect_not_null(
        document_parse(&arena, "f", slice_make(text, 2 * DOCUMENT_DEPTH_MAX), &problems));
    cr_expect_eq(problems.count, 0U);
    memset(text, '[', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    expect_line(text, "f:1:33: nested too deeply; 32 levels are the most");
}

Test(document, bounds_size)
{
    size_t len = DOCUMENT_MAX + 1;
    char *text = memory_alloc(len);
    memset(text, ' ', len);
    cr_expect_null(document_parse(&arena, "f", slice_make(text, len), &problems));
    cr_expect_str_eq(line_of(0), "f: larger than 8 MiB");
    memory_free(text);
}

Test(document, says_how_to_make_a_config_where_there_is_none)
{
    cr_expect_null(document_load(&arena, "/nonexistent/c.yaml", &problems));
    cr_expect_str_eq(line_of(0),
                     "/nonexistent/c.yaml: there is no config file here; name one with -c FILE, or "
                     "write one: docs/CONFIG.md says how, config/quickstart.yaml is an example");
    cr_expect_null(document_load(&arena, "/", &problems));
    cr_expect_str_eq(line_of(1), "/: cannot use this config file: it is a folder");
}

#include "gateway/demo/query.h"

#include <criterion/criterion.h>

static const struct {
    const char *query;
    const char *name;
    const char *value; /* still encoded */
} finds[] = {
    {"", "a", ""},          {"a=1", "a", "1"},     {"a=1&a=2", "a", "1"},
    {"aa=1&a=2", "a", "2"}, {"a&b=2", "b", "2"},   {"a&b=2", "a", ""},
    {"&&b=2&", "b", "2"},   {"a=1=2", "a", "1=2"}, {"metadata%5Bid%5D=x", "metadata[id]", "x"},
    {"a+b=x", "a b", "x"},  {"a=%41", "a", "%41"},
};

Test(query, finds_the_first_value_of_a_name)
{
    for (size_t i = 0; i < sizeof(finds) / sizeof(finds[0]); i++) {
        struct slice value = query_find(slice_from(finds[i].query), finds[i].name);
        cr_expect(slice_equal(value, slice_from(finds[i].value)), "%s in \"%s\": %.*s",
                  finds[i].name, finds[i].query, SLICE_ARG(value));
    }
}

static const struct {
    const char *text;
    const char *decoded;
} decodings[] = {
    {"", ""},        {"a+b", "a b"}, {"%41%62", "Ab"}, {"%c3%A4", "\xc3\xa4"}, {"%2B", "+"},
    {"100%", "100"}, {"%4", "4"},    {"%zz!", "zz!"},  {"a%2", "a2"},          {"%25", "%"},
};

Test(query, decodes_and_leaves_out_what_is_broken)
{
    for (size_t i = 0; i < sizeof(decodings) / sizeof(decodings[0]); i++) {
        char out[32];
        size_t len = query_decode(slice_from(decodings[i].text), out, sizeof(out));
        cr_expect_str_eq(out, decodings[i].decoded, "%s: %s", decodings[i].text, out);
        cr_expect_eq(len, strlen(decodings[i].decoded));
    }
}

Test(query, decodes_no_more_than_fits)
{
    char out[4];
    cr_expect_eq(query_decode(SLICE("abcdef"), out, sizeof(out)), 3);
    cr_expect_str_eq(out, "abc");
    cr_expect_eq(query_decode(SLICE("%41%42"), out, 1), 0);
    cr_expect_str_eq(out, "");
}

Test(query, reads_decimal_numbers_only)
{
    static const char *const wrong[] = {"", "-1", "1x", " 1", "0x10", "1234567890123456", "1.5"};
    uint64_t number = 7;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        cr_expect(!query_number(slice_from(wrong[i]), &number), "%s", wrong[i]);
        cr_expect_eq(number, 7, "a refused text sets nothing");
    }
    cr_expect(query_number(SLICE("000123456789012"), &number));
    cr_expect_eq(number, 123456789012);
}

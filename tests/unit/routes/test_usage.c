#include "routes/usage.h"

#include <criterion/criterion.h>

Test(usage, tokens_are_cut_off_the_output_first)
{
    struct usage usage = {
        .input = 10, .cache_read = 5, .output = 20, .image_output = 3, .reasoning = 7, .images = 2};
    usage_cut_tokens(&usage, 40);
    cr_expect_eq(usage_tokens(&usage), 38U, "it was less");
    usage_cut_tokens(&usage, 30);
    cr_expect_eq(usage.image_output, 0U);
    cr_expect_eq(usage.output, 15U);
    usage_cut_tokens(&usage, 4);
    cr_expect_eq(usage.output, 0U);
    cr_expect_eq(usage.cache_read, 0U);
    cr_expect_eq(usage.input, 4U);
    usage_cut_tokens(&usage, 0);
    cr_expect_eq(usage_tokens(&usage), 0U);
    cr_expect_eq(usage.images, 2U, "which are no tokens");
}

#include "auth/secrets/secret_name.h"

#include <criterion/criterion.h>

Test(secret_name, names_that_are_allowed)
{
    static const char *const good[] = {
        "a", "openai-key", "A.b_C-9", "0",
        "0123456789012345678901234567890123456789012345678901234567890123"};
    static const char *const bad[] = {
        "",    ".",
        "..",  ".hidden",
        "a/b", "../a",
        "a b", "a\n",
        "ké",  "01234567890123456789012345678901234567890123456789012345678901234"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        cr_expect(secret_name_valid(slice_from(good[i])), "%s", good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_expect_not(secret_name_valid(slice_from(bad[i])), "%s", bad[i]);
    }
    cr_expect_not(secret_name_valid(slice_make("a\0b", 3)));
}

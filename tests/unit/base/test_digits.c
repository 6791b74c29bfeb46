#include "base/digits.h"
#include "base/slice.h"

#include <stdio.h>

#include <criterion/criterion.h>

Test(digits, numbers_of_all_lengths_are_written)
{
    uint64_t power = 1;
    for (unsigned digits = 1; digits <= DIGITS_MAX; digits++) {
        const uint64_t numbers[] = {power - 1, power, power + 1, power * 9 + 9, power / 3 * 7};
        for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
            char text[DIGITS_MAX];
            char expected[DIGITS_MAX + 1];
            size_t len = digits_write(numbers[i], text);
            (void)snprintf(expected, sizeof(expected), "%llu", (unsigned long long)numbers[i]);
            cr_expect(slice_equal(slice_make(text, len), slice_from(expected)), "%s", expected);
            cr_expect_eq(digits_count(numbers[i]), len, "%s", expected);
        }
        power *= digits < DIGITS_MAX ? 10 : 1;
    }
}

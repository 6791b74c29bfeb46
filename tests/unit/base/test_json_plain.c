#include "base/json_plain.h"

#include <criterion/criterion.h>

Test(json_plain, ends_at_the_first_byte_that_it_does_not)
{
    static const char stops[] = {'"', '\\', '\n', '\0', 0x1f, (char)0x80, (char)0xff};
    char text[24];
    for (size_t len = 0; len <= sizeof(text); len++) {
        for (size_t at = 0; at < len; at++) {
            for (size_t k = 0; k < sizeof(stops); k++) {
                memset(text, (int)(' ' + (at + k) % 2), sizeof(text)); /* blanks, or '!' */
                text[at] = stops[k];
                cr_assert_eq(json_plain(slice_make(text, len)), at, "%zu of %zu", at, len);
            }
        }
        memset(text, 0x7f, sizeof(text));
        cr_assert_eq(json_plain(slice_make(text, len)), len);
    }
}

static bool stops(unsigned char byte)
{
    return byte < 0x20 || byte > 0x7f || byte == '"' || byte == '\\';
}

Test(json_plain, every_byte_at_every_place_stops_it_or_does_not)
{
    char text[150];
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t len = 0; len <= sizeof(text); len++) {
            for (size_t at = 0; at < len; at++) {
                memset(text, 'x', len);
                text[at] = (char)byte;
                size_t wanted = stops((unsigned char)byte) ? at : len;
                cr_assert_eq(json_plain(slice_make(text, len)), wanted, "%u at %zu of %zu", byte,
                             at, len);
            }
        }
    }
}

Test(json_plain, the_first_of_several_counts)
{
    struct slice text = SLICE("0123456789abcdef0123456789abcdef0123\"5678\\abcdef");
    cr_assert_eq(json_plain(text), 36);
    cr_assert_eq(json_plain(slice_skip(text, 37)), 4);
    cr_assert_eq(json_plain(slice_make(NULL, 0)), 0);
}

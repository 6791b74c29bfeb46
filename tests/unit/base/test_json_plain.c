/* json_plain against the obvious way to write it. */
#include "base/json_plain.h"

#include <string.h>

#include <criterion/criterion.h>

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
                cr_assert_eq(json_plain_bytes(slice_make(text, len)), wanted, "%u at %zu of %zu",
                             byte, at, len);
            }
        }
    }
}

Test(json_plain, the_first_of_several_counts)
{
    struct slice text = SLICE("0123456789abcdef0123456789abcdef0123\"5678\\abcdef");
    cr_assert_eq(json_plain_bytes(text), 36);
    cr_assert_eq(json_plain_bytes(slice_skip(text, 37)), 4);
    cr_assert_eq(json_plain_bytes(slice_make(NULL, 0)), 0);
}

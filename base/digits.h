/*
 * digits: whole numbers in decimal, for what is written with every request: no printf, two digits a
 * division.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { DIGITS_MAX = 20 }; /* of 2^64 - 1 */

/* How many the number has: 1 to DIGITS_MAX. */
size_t digits_count(uint64_t number);
/* Of three and more digits: see digits_write(). */
size_t digits_write_long(uint64_t number, char *out);

/* Writes them, without a NUL; returns how many. */
static inline size_t digits_write(uint64_t number, char *out)
{
    if (number >= 100) {
        return digits_write_long(number, out);
    }
    if (number < 10) {
        out[0] = (char)('0' + number);
        return 1;
    }
    out[0] = (char)('0' + number / 10);
    out[1] = (char)('0' + number % 10);
    return 2;
}

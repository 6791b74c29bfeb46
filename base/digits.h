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
/* Writes them, without a NUL; returns how many. */
size_t digits_write(uint64_t number, char *out);

/*
 * utf8: strict UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#pragma once

#include "base/slice.h"

#include <stdint.h>

enum { UTF8_CHAR_MAX = 4 }; /* bytes of a character */

/* Bytes of the character at the front, 1 to 4; 0 if it is not valid or cut. `text` is not empty. */
size_t utf8_char(struct slice text);

/* Position of the first byte that is not part of valid text; text.len if all is. */
size_t utf8_fault(struct slice text);

/* A character, no surrogate. Returns how many bytes. */
size_t utf8_write(uint32_t code, char out[UTF8_CHAR_MAX]);

/*
 * ascii: what a byte is, and the number that digits stand for. Without locale; bytes above 0x7f are
 * nothing.
 */
#pragma once

#include <stdbool.h>

static inline char ascii_lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

static inline bool ascii_is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static inline bool ascii_is_letter(char byte)
{
    char lower = (char)(byte | 0x20);
    return lower >= 'a' && lower <= 'z';
}

static inline bool ascii_is_alphanumeric(char byte)
{
    return ascii_is_letter(byte) || ascii_is_digit(byte);
}

/* What a URL may have anywhere as it is (RFC 3986, section 2.3). */
static inline bool ascii_is_unreserved(char byte)
{
    return ascii_is_alphanumeric(byte) || byte == '-' || byte == '.' || byte == '_' || byte == '~';
}

enum { ASCII_NOT_HEX = 16 };

/* The value of a hex digit, in either case. */
static inline unsigned ascii_hex_value(char digit)
{
    if (ascii_is_digit(digit)) {
        return (unsigned)(digit - '0');
    }
    char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? (unsigned)(lower - 'a') + 10 : ASCII_NOT_HEX;
}

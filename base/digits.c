#include "base/digits.h"

#include <string.h>

size_t digits_count(uint64_t number)
{
    static const uint64_t powers[] = {
        UINT64_C(1),
        UINT64_C(10),
        UINT64_C(100),
        UINT64_C(1000),
        UINT64_C(10000),
        UINT64_C(100000),
        UINT64_C(1000000),
        UINT64_C(10000000),
        UINT64_C(100000000),
        UINT64_C(1000000000),
        UINT64_C(10000000000),
        UINT64_C(100000000000),
        UINT64_C(1000000000000),
        UINT64_C(10000000000000),
        UINT64_C(100000000000000),
        UINT64_C(1000000000000000),
        UINT64_C(10000000000000000),
        UINT64_C(100000000000000000),
        UINT64_C(1000000000000000000),
        UINT64_C(10000000000000000000),
    };
    /* 1233/4096 is log10(2); too much by one at most. */
    size_t guess = (size_t)(64 - __builtin_clzll(number | 1)) * 1233 >> 12;
    return guess + 1 - ((number | 1) < powers[guess]);
}

/* 00 to 99. */
static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                            "25262728293031323334353637383940414243444546474849"
                            "50515253545556575859606162636465666768697071727374"
                            "75767778798081828384858687888990919293949596979899";

size_t digits_write_long(uint64_t number, char *out)
{
    size_t count = digits_count(number);
    char *at = out + count;
    for (; number > UINT32_MAX; number /= 100) {
        at -= 2;
        memcpy(at, pairs + number % 100 * 2, 2);
    }
    uint32_t rest = (uint32_t)number; /* half as many instructions a division */
    for (; rest >= 10; rest /= 100) {
        at -= 2;
        memcpy(at, pairs + (size_t)(rest % 100) * 2, 2);
    }
    if (at > out) {
        *out = (char)('0' + rest);
    }
    return count;
}

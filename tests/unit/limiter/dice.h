/*
 * dice: numbers that look random and can be run again: a failure names its seed.
 */
#pragma once

#include <stdint.h>

struct dice {
    uint64_t state; /* the seed; any */
};

/* 0..sides-1. (splitmix64) */
static inline uint64_t roll(struct dice *dice, uint64_t sides)
{
    dice->state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = dice->state;
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (mixed ^ (mixed >> 31)) % sides;
}

/*
 * pattern: names with '*' in them, which stands for any bytes or none: models, types of events.
 */
#pragma once

#include "base/slice.h"

/* Compared exactly, byte by byte; backtracks to the last '*' only, so its time is bounded by the
 * product of both lengths. */
bool pattern_matches(struct slice pattern, struct slice text);

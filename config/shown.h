/*
 * shown: a config as whoever may read it is shown it: as it was written, so that ${...} stays
 * unexpanded, without the passwords of URLs, and with the hashes of keys cut short.
 */
#pragma once

#include "base/slice.h"

struct arena;
struct tree;

/* As JSON, in the arena. Numbers, booleans and null that were not quoted are such. */
struct slice config_shown(struct arena *arena, const struct tree *root);

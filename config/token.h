/*
 * token: what a route sends instead of its secret, as the config describes it: how it is had, and
 * where. Immutable, part of a snapshot.
 */
#pragma once

#include "auth/outbound/token_plan.h"
#include "routes/origin.h"

#include <stdbool.h>

/* As what the refresh token is kept that followed a secret's own: NAME.rotated; secrets' names have
 * 64 bytes. */
#define TOKEN_ROTATED_ENDING ".rotated"
enum { TOKEN_ROTATED_NAME_MAX = 64 - (int)sizeof(TOKEN_ROTATED_ENDING) + 1 };

struct token_rule {
    struct token_plan plan;
    struct origin origin; /* of the endpoint; host NULL: the gateway signs the token itself */
    struct slice path;    /* the endpoint's target */
    bool own_audience;    /* the token is for the upstream's own origin, for the config names no
                             other; of an entry with '*' (routes/hosts.h) the plan has none, and
                             the request's host is in its place */
};

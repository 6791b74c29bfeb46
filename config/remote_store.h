/*
 * remote_store: a source of secrets that is asked over the network, as the config describes it:
 * what is asked, and where. Immutable, part of a snapshot.
 */
#pragma once

#include "auth/outbound/token_plan.h"
#include "auth/secrets/store_plan.h"
#include "routes/origin.h"

struct remote_store {
    struct store_plan plan;
    struct origin origin;
    struct origin token_origin; /* where plan.token is had; host NULL: nowhere */
    struct token_plan token;    /* plan.token is this one, or NULL */
    unsigned above;             /* sources that stand before it in the list */
    const char *type;           /* of the source, in the config's words */
};

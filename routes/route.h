/*
 * route: one upstream API as the config describes it, ready to serve. Immutable, part of a
 * snapshot. What the auth folder owns is joined by config/link.c, through forward declarations.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"
#include "routes/breaker.h"
#include "routes/headers.h"
#include "routes/injection.h"
#include "routes/origin.h"
#include "routes/retry.h"

#include <stdbool.h>

struct key_standing;
struct body_rule;
struct price_list;
struct profile;
struct route_standing;
struct secret_slot;
struct signing_rule;
struct token_rule;

struct route_timeouts {
    usec_t connect, first_byte, idle, total;
};

enum {
    ROUTE_CREDENTIALS_MAX = 32, /* in a pool */
    ROUTE_FALLBACKS_MAX = 4,
};

/* One of a route's pool. */
struct route_credential {
    const char *secret_name;
    struct secret_slot *slot;      /* ref, set by config/link.c */
    const char *account;           /* "": not said; one account, but each with limits of its own */
    unsigned account_index;        /* counts the accounts of the pool, from 0 */
    unsigned weight;               /* 1 to 100 */
    struct key_standing *standing; /* borrowed; set by standings_join() */
};

struct health_check {
    struct slice path; /* the target, base path included; empty: none is made */
    usec_t every;
};

/* A model's name here and at this upstream. */
struct model_alias {
    struct slice model, upstream;
};

struct route {
    const char *name;
    unsigned index;    /* position in the snapshot */
    struct slice path; /* "/openai"; empty for a host route that covers all */
    struct slice host; /* lower case, no port; empty: any */
    const struct profile *profile;
    struct origin origin;
    const char *entry; /* it is one of another route's: as what (routes/hosts.h); NULL: it is not */
    struct route *hosts;    /* the upstreams that requests choose from; NULL: `origin` is the one */
    unsigned host_count;    /* of them; `origin` is then as the first one's, and never sent to */
    struct slice base_path; /* of base_url, without a trailing '/'; may be empty */
    struct route_credential *credentials;
    unsigned credential_count;       /* 0: nothing is injected */
    unsigned account_count;          /* of them */
    struct injections injections;    /* where it goes */
    const struct token_rule *token;  /* had for the secret, and sent in its place; NULL: none is */
    const struct signing_rule *sign; /* in the snapshot; NULL: its requests are not signed */
    struct header_rules headers; /* compiled: which request headers go on, constant ones, Host */
    struct route_timeouts timeouts;
    struct retry_policy retry;
    struct breaker_policy breaker;
    usec_t hedge_after;     /* a second attempt beside the first, for idempotent methods; 0: none */
    unsigned max_in_flight; /* 0: no bound */
    uint64_t
        meter_hold;  /* bytes of a metered plain answer that are held for its receipt; 0: none */
    bool asks_usage; /* of streams that tell it only if asked to, where the caller did not ask */
    bool idempotency_as_is; /* callers' idempotency keys go upstream as they are */
    struct health_check health;
    const struct model_alias *models; /* renamed in bodies of calls that name a model */
    unsigned model_count;
    const struct body_rule *body_rules;                /* NULL: bodies are passed on as they are */
    const struct route *fallback[ROUTE_FALLBACKS_MAX]; /* in the order of trying */
    unsigned fallback_count;
    struct route_standing *standing; /* borrowed; set by standings_join() */
    const struct price_list *prices; /* of the profile, or the config's; NULL: none are known */
    bool priced_by_request; /* no call tells its usage, but each costs something: price_find("") */
    struct slice public_base; /* "https://gw.internal/openai" for rewritten links; empty: from the
                                 request's own scheme and Host */
};

/*
 * sample_event: a webhook as a provider would send it, small and signed, for trying a hook out.
 * Pure: no clock, no network.
 *
 * What stands where, the event's id and type among it, is known from the scheme; what else a body
 * has, so that it looks like one of that provider, from a table.
 */
#pragma once

#include "auth/inbound/webhook_scheme.h"
#include "base/http1.h"

struct arena;

/* All borrowed. Empty: as is usual for the provider. */
struct sample_event_wish {
    const struct webhook_scheme *scheme;
    const struct slice *secrets;
    unsigned secret_count;
    struct slice url; /* that the provider would call: some sign it */
    struct slice type;
    struct slice id;     /* of the event */
    struct slice body;   /* to be sent as it is */
    struct slice chance; /* hex digits, 32: what made ids are made of */
    int64_t now;         /* Unix seconds */
};

enum { SAMPLE_EVENT_FIELDS = 12, SAMPLE_EVENT_BODY_MAX_BYTES = 16 * 1024 * 1024 };

struct sample_event {
    struct http1_field fields[SAMPLE_EVENT_FIELDS]; /* Content-Type among them */
    unsigned field_count;
    struct slice query; /* goes behind the URL: "?..."; may be empty */
    struct slice body;
    struct slice type; /* empty: this provider's have none */
    struct slice id;   /* likewise */
};

/* What *ret points to is in the arena, or the wish's. It was verified as the gateway will. The
 * error says why it cannot be made: only the provider can sign these, the secret is none, there is
 * no place for an id. */
MUST_USE enum status sample_event_make(const struct sample_event_wish *wish, struct arena *arena,
                                       struct sample_event *ret, struct error *err);

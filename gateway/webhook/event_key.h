/*
 * event_key: by what a webhook is known when it comes again. Pure.
 *
 * Where the signature covers the event's id, the id. Else the signed content and the id together:
 * the id alone could be put on another content, or another id on the same; the latter is what
 * `content` is for.
 */
#pragma once

#include "base/digest.h"
#include "base/slice.h"

#include <stdbool.h>

struct webhook_result;

struct event_key {
    unsigned char key[SHA256_BYTES];
    unsigned char content[SHA256_BYTES];
    bool content_known; /* false: `content` says no more than `key` */
};

/* Of an accepted webhook of that hook. */
void event_key_make(struct slice hook, const struct webhook_result *result, struct event_key *ret);

/* What stands for an object whose events are delivered one after the other: `object` is the text of
 * its id. */
uint64_t event_order_hash(struct slice hook, struct slice object);

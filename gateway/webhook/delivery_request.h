/*
 * delivery_request: the head of an attempt to deliver a webhook. Pure: the time and the secrets'
 * bytes are passed in.
 *
 *     POST PATH                             of the target
 *     webhook-id, webhook-timestamp         of Standard Webhooks; the timestamp is the attempt's
 *     webhook-signature                     with each of the target's secrets; none: not sent
 *     X-Sallyport-Webhook-Hook: NAME        what the receiver may want to know without reading the
 *     X-Sallyport-Webhook-Type: TYPE        body; not sent if unknown, or if it is no header's text
 *     X-Sallyport-Webhook-Event-Id: ID      the provider's id of the event; likewise
 *     X-Sallyport-Webhook-Attempt: N        from 1
 *     the provider's own headers, Content-Type included, as they were kept
 *
 * Providers that sign by Standard Webhooks themselves send headers of the same names. So that there
 * is one meaning only, theirs go on as X-Original-Webhook-Id, -Timestamp and -Signature (Svix' own
 * as X-Original-Svix-Id, ...); and their User-Agent as X-Original-User-Agent.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"
#include "config/hook.h"
#include "gateway/webhook/queue.h"

#include <stdint.h>

struct buffer;
struct webhook_scheme;

struct delivery_request {
    const struct webhook_scheme *scheme; /* "standard-webhooks" */
    const char *hook;
    const struct hook_target *target;
    const struct queue_delivery *delivery;
    struct slice body; /* as it is sent */
    int64_t now;       /* Unix seconds */
    const struct slice *secrets;
    unsigned secret_count; /* 0: unsigned */
};

/* Room that suffices for the head. */
size_t delivery_request_size(const struct delivery_request *request);
/* STATUS_INVALID: a secret is none that can sign. */
MUST_USE enum status delivery_request_write(const struct delivery_request *request,
                                            struct buffer *head, struct error *err);

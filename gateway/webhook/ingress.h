/*
 * ingress: providers' webhooks come in: found by path, held, verified, put into the queue, and
 * acknowledged when they are on disk. Stands before the exchanges of a worker: what is for no hook
 * goes on to them. A worker's own.
 *
 *     receive > verify > (fetch a key > verify) > (handshake) > put > answer
 *
 * Whatever is answered says no more than the status; why is in the access log and in
 * webhooks_refused_total{hook,reason}. 401 bad or old signature, 413, 415 an encoded body, 429 with
 * Retry-After, 503 the queue is full or broken.
 */
#pragma once

#include "gateway/client/connection.h"

struct exchange_side;
struct ingress_side;
struct mailbox;
struct queue;
struct snapshot;
struct source_rates;
struct verify_keys;

struct ingress_settings {
    struct exchange_side *exchanges; /* borrowed: its loop, metrics, log and limits are used, too */
    struct queue *queue;             /* borrowed; NULL: none was ever configured */
    struct mailbox *mailbox;         /* borrowed: the worker's, for the queue's answers */
    struct source_rates *rates;      /* borrowed; the process's */
};

struct ingress_side *ingress_side_new(const struct ingress_settings *settings);
/* Cuts what is in flight. Before the exchanges' side; not while it is busy; takes NULL. */
void ingress_side_free(struct ingress_side *side);
unsigned ingress_side_count(const struct ingress_side *side);
/* After a reload that has brought the first hook. NULL changes nothing. */
void ingress_side_set_queue(struct ingress_side *side, struct queue *queue);
/* The queue is not asked any more: 503. */
void ingress_side_close(struct ingress_side *side);
/* Something that was put has no answer yet: it will come to the mailbox, and lies in memory of the
 * side until then. */
bool ingress_side_busy(const struct ingress_side *side);

/* The owner of all connections of a worker; ctx: the ingress_side. */
extern const struct connection_ops ingress_connection_ops;
/* Of a listener that is for webhooks alone: all else is 404. */
extern const struct connection_ops ingress_only_connection_ops;

/*
 * ingress_put: what is verified goes into the queue, and is acknowledged when it is on disk. That
 * nobody wants it, or that it was seen before, is known there, too.
 */
#include "config/snapshot.h"
#include "gateway/exchange/exchange_side.h"
#include "gateway/webhook/event_key.h"
#include "gateway/webhook/ingress_state.h"
#include "gateway/webhook/json_at.h"
#include "gateway/webhook/kept_fields.h"

#include <stddef.h>

#define PUT_TIME     (8 * SEC) /* for the disk: providers give up soon after */
#define RETRY_FULL   (60 * SEC)
#define RETRY_FAILED (30 * SEC)

/* ---- who wants it ---- */

/* An event that does not tell its type is for those who choose by type only if the hook says so. */
static bool wants(const struct hook *hook, const struct hook_patterns *patterns, struct slice type)
{
    return patterns->count == 0 ||
           (type.len == 0 ? !hook->drop_untyped : hook_patterns_match(patterns, type));
}

static void add_target(struct ingress *ingress, const struct hook_target *target)
{
    struct queue_put *put = &ingress->put;
    char room[JSON_AT_BYTES];
    struct slice object;
    struct queue_put_target *to = &put->targets[put->target_count++];
    to->name = slice_from(target->name);
    to->ordered = target->order == HOOK_ORDER_OBJECT &&
                  json_at(ingress->body_slice, target->order_key, room, &object);
    to->order = to->ordered ? event_order_hash(put->hook, object) : 0;
}

static void choose_targets(struct ingress *ingress)
{
    const struct hook *hook = ingress->hook;
    struct slice type = ingress->result.event_type;
    for (unsigned i = 0; i < hook->target_count && wants(hook, &hook->events, type); i++) {
        if (wants(hook, &hook->targets[i].events, type)) {
            add_target(ingress, &hook->targets[i]);
        }
    }
    ingress->wanted = ingress->put.target_count > 0;
}

/* ---- putting ---- */

/* A letter to the worker. */
static void on_answer(struct letter *letter, void *receiver)
{
    struct queue_put *put = (struct queue_put *)letter;
    struct ingress *ingress = (struct ingress *)((char *)put - offsetof(struct ingress, put));
    (void)receiver;
    ingress->put_answered = true;
    ingress->side->puts--;
    wake(&ingress->waiter);
}

/* The values are as long as in the head, the blanks around them are not. */
static enum status keep_fields(struct ingress *ingress)
{
    const struct http1_request *request = ingress->request;
    buffer_init(&ingress->fields, request->head_len + 4 * (size_t)request->field_count);
    return kept_fields_write(ingress->hook->scheme, request->fields, request->field_count,
                             &ingress->fields);
}

static void fill(struct ingress *ingress)
{
    const struct hook *hook = ingress->hook;
    struct queue_put *put = &ingress->put;
    struct event_key key;
    put->letter.run = on_answer;
    put->reply = ingress->side->mailbox;
    put->hook = slice_from(hook->name);
    put->event_id = ingress->result.event_id;
    put->type = ingress->result.event_type;
    put->received_at = ingress->started_wall;
    put->fields = buffer_bytes(&ingress->fields);
    put->body = ingress->body_slice;
    event_key_make(put->hook, &ingress->result, &key);
    memcpy(put->key, key.key, sizeof(put->key));
    memcpy(put->content, key.content, sizeof(put->content));
    put->content_known = key.content_known;
    put->content_counts = hook->dedupe == HOOK_DEDUPE_STRICT;
    queue_make_id(ingress->started_wall, put->id);
    choose_targets(ingress);
}

void ingress_put(struct ingress *ingress)
{
    struct ingress_side *side = ingress->side;
    if (side->closed || side->queue == NULL || keep_fields(ingress) != STATUS_OK) {
        ingress_refuse(ingress, &(struct ingress_answer){
                                    .status = 503, .reason = "stopping", .retry_after = SEC});
        return;
    }
    fill(ingress);
    ingress_wait(ingress, INGRESS_PUT, PUT_TIME);
    side->puts++;
    queue_put(side->queue, &ingress->put);
}

/* ---- the answer ---- */

static void acknowledge(struct ingress *ingress, enum ingress_outcome outcome)
{
    const struct webhook_scheme *scheme = ingress->hook->scheme;
    if (ingress->status != 0) { /* it was told to come again: then it is a repeat */
        ingress_end(ingress, outcome);
        return;
    }
    ingress_acknowledge(ingress, outcome,
                        &(struct ingress_answer){
                            .status = scheme->answer_status == 0 ? 200 : scheme->answer_status,
                            .media_type = scheme->answer_type,
                            .body = scheme->answer_body,
                        });
}

static void not_stored(struct ingress *ingress, const char *reason, usec_t retry_after)
{
    if (ingress->status != 0) {
        ingress_end(ingress, INGRESS_REFUSED);
        return;
    }
    ingress_refuse(ingress, &(struct ingress_answer){.status = 503,
                                                     .reason = reason,
                                                     .detail = ingress->put.error,
                                                     .retry_after = retry_after});
}

void ingress_put_resume(struct ingress *ingress)
{
    if (!ingress->put_answered) {
        if (ingress->late && ingress->status == 0) {
            ingress_say(ingress, &(struct ingress_answer){.status = 503,
                                                          .reason = "queue_late",
                                                          .retry_after = RETRY_FAILED});
        }
        return;
    }
    switch (ingress->put.result) {
    case QUEUE_STORED:
        ingress_settle(ingress);
        acknowledge(ingress, ingress->wanted ? INGRESS_ACCEPTED : INGRESS_DROPPED);
        break;
    case QUEUE_SUSPECT:
        ingress_settle(ingress);
        acknowledge(ingress, ingress->wanted ? INGRESS_SUSPECT : INGRESS_DROPPED);
        break;
    case QUEUE_DUPLICATE:
        acknowledge(ingress, INGRESS_DUPLICATE);
        break;
    case QUEUE_FULL:
        not_stored(ingress, "queue_full", RETRY_FULL);
        break;
    case QUEUE_FAILED:
        not_stored(ingress, "queue_failed", RETRY_FAILED);
        break;
    }
}

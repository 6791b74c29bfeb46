/*
 * answers: what the handlers of the pretend provider have in common: JSON bodies, errors in the
 * shape of the API that was called, ids, and the key.
 */
#pragma once

#include "gateway/demo/call.h"

struct payments;
struct receiver;

/* What all calls share: call->service. */
struct service {
    const char *key;           /* borrowed */
    struct payments *payments; /* owned */
    struct receiver *receiver; /* owned */
};

/* An API's error; NULL members are null (OpenAI) or left out (Stripe). */
struct refusal {
    unsigned status;
    const char *type;
    const char *code;
    const char *param;
    const char *message;
};

enum { DEMO_ID_BYTES = 48 };

/* "req_" and 24 random characters: `prefix` has at most 20 bytes. */
const char *answers_id(const char *prefix, char out[DEMO_ID_BYTES]);
/* A JSON string with its quotes. */
void answers_text(struct evbuffer *out, struct slice text);

/* With the headers that the API sends with each answer. */
void answers_json(struct call *call, unsigned status, struct evbuffer *body);
/* Stripe's shape where a Stripe SDK calls or the path is one of Stripe's, else OpenAI's. */
void answers_refuse(struct call *call, const struct refusal *refusal);

/* The credential as it came, from the places where SDKs put one: Authorization (Bearer, Basic's
 * user or password), x-api-key, api-key, ?api_key=. In `out`, NUL-terminated; empty if none. */
size_t answers_credential(const struct call *call, char *out, size_t size);
/* Answers 401 and returns false unless the credential is the service's key. */
bool answers_check_key(struct call *call);
/* True for header fields that carry credentials. */
bool answers_is_credential(struct slice header_name);

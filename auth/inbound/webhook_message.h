/*
 * webhook_message: what stands where in a webhook: its headers, query, form and JSON body. For the
 * files of webhook_signature; webhook_parameter() for whoever reads a form.
 */
#pragma once

#include "auth/inbound/webhook_signature.h"

struct cJSON;

/* JSON that is looked at before anything is known of who sent it; more is not read. */
enum { WEBHOOK_JSON_BYTES = 1024 * 1024, WEBHOOK_JSON_DEPTH = 64 };

struct webhook_message {
    const struct webhook_scheme *scheme;   /* borrowed */
    const struct webhook_request *request; /* borrowed */
    struct arena *arena;                   /* borrowed */
    struct cJSON *json;                    /* owned; NULL until asked for, or if it is none */
    bool json_tried;
    struct slice timestamp; /* as sent; empty: none, or not read yet */
    struct slice id;        /* of the template */
};

void webhook_message_fini(struct webhook_message *message);

enum webhook_found {
    WEBHOOK_ABSENT, /* or null */
    WEBHOOK_FOUND,
    WEBHOOK_TWICE, /* a header or member that may stand once only, or text that cannot be read */
};

/* A header's value; `name` or, if that is absent, its alias of the scheme. */
enum webhook_found webhook_header(const struct webhook_message *message, struct slice name,
                                  struct slice *ret);
/* The body as JSON; NULL: it is none. */
const struct cJSON *webhook_json(struct webhook_message *message);
/* What is at the pointer below `root`; NULL: nothing, or null. *ret_twice is set if a name on the
 * way stands twice in its object, for then readers may differ about what it says. */
const struct cJSON *webhook_json_at(const struct cJSON *root, struct slice pointer,
                                    bool *ret_twice);
/* A text, number or boolean as text. False: an object, an array or nothing. */
bool webhook_json_text(const struct cJSON *value, struct arena *arena, struct slice *ret);

/* The parameter `name`, decoded, of a query or a form. */
enum webhook_found webhook_parameter(struct slice form, struct slice name, struct arena *arena,
                                     struct slice *ret);
/* Takes the next "name=value" off, both decoded ('+' is a space). False: they cannot be decoded. */
bool webhook_next_parameter(struct slice *form, struct arena *arena, struct slice *ret_name,
                            struct slice *ret_value);
/* Behind the '?', without a fragment. */
struct slice webhook_query(struct slice url);

/* The text at a place other than a claim or pairs. */
enum webhook_found webhook_text_at(struct webhook_message *message,
                                   const struct webhook_place *place, struct slice *ret);

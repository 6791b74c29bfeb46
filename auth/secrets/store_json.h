/*
 * store_json: answers of stores as JSON, whose texts are wiped; and values that are texts or
 * members of a JSON text.
 */
#pragma once

#include "auth/secrets/store_plan.h"

struct cJSON;

/* An object; STATUS_UNAVAILABLE: it is none. */
MUST_USE enum status store_parse(const struct store_answer *answer, struct cJSON **ret,
                                 struct error *err);
/* For CLEANUP(): all texts in it are wiped first. */
void store_free_document(struct cJSON **document);

/* The value itself, or, where the name's place has a field, that member of the JSON that it is. */
MUST_USE enum status store_take_text(const struct store_input *input, struct slice text,
                                     struct secret **ret, struct error *err);
/* The part behind the last '/', if it is a version's name; else "". */
void store_take_version(struct slice id, struct store_value *ret);

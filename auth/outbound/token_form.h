/*
 * token_form: what grants share: the form that is posted, and how a secret is taken apart.
 */
#pragma once

#include "auth/outbound/token_plan.h"

#include <stdbool.h>

struct cJSON;

/* name=value, percent-encoded; nothing if the value is empty. */
MUST_USE enum status token_form_put(struct buffer *body, const char *name, struct slice value);
/* The plan's parameters, then grant_type, unless they say another. */
MUST_USE enum status token_form_begin(const struct token_input *input, const char *grant_type,
                                      struct token_call *ret);
/* `client` as the plan says: "basic" (RFC 6749, section 2.3.1) unless it says "body". */
MUST_USE enum status token_form_client(const struct token_input *input, struct slice id,
                                       struct slice secret, struct token_call *ret);

/* "HEAD:REST"; false: one of them would be empty. */
bool token_split(struct slice text, struct slice *ret_head, struct slice *ret_rest);
/* Without the blanks and line ends around it. */
struct slice token_trim(struct slice text);
bool token_is_json(struct slice secret);
/* The secret as an object; errors quote nothing. *ret is the caller's to free. */
MUST_USE enum status token_json(struct slice secret, struct cJSON **ret, struct error *err);
/* A member that must be a text and not be empty. */
MUST_USE enum status token_member(const struct cJSON *object, const char *name, struct slice *ret,
                                  struct error *err);

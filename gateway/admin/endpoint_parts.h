/*
 * endpoint_parts: what endpoints share: parameters of the query, and answers in JSON. Internal to
 * admin/.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct admin_answer;
struct admin_request;

enum { ENDPOINT_PARAMETER_MAX = 256 };

/* A parameter of the query, decoded; "" if it is absent. False: it is too long or broken. */
bool endpoint_parameter(const struct admin_request *request, struct slice name,
                        char out[ENDPOINT_PARAMETER_MAX]);
void endpoint_answer_json(struct admin_answer *answer, unsigned status);
/* {"error": "..."} instead of what is there. */
void endpoint_answer_error(struct admin_answer *answer, unsigned status, const char *text);
/* Of an op that failed. */
unsigned endpoint_status_of(enum status status);

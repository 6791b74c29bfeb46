/*
 * mapping: a call to one route as another route of its fallback takes it: path, query, and the
 * model's name. Pure.
 *
 * Routes of one profile take the same calls. OpenAI and Azure OpenAI take the same bodies under
 * other paths: Azure's are /openai/v1/..., or, dated, /openai/deployments/DEPLOYMENT/...
 * ?api-version=..., where the deployment says the model. Whatever is not known to mean the same is
 * not mapped.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct buffer;
struct profile;
struct route;

/* Whether any call can be mapped between routes of these. */
bool mapping_between(const struct profile *from, const struct profile *to);

/* Where the call goes at `to`: paths behind the routes', queries without the '?' (ptr NULL or
 * empty: none). The buffers begin empty. STATUS_INVALID: this call is not mapped, so it cannot go
 * there. */
MUST_USE enum status mapping_path(const struct route *from, const struct route *to,
                                  struct slice path, struct slice query, struct buffer *out_path,
                                  struct buffer *out_query);

/* The deployment that a dated path of Azure's names, a part of the path; false: it names none. It
 * is the call's model, whatever the body says. */
bool mapping_deployment(const struct route *from, struct slice path, struct slice *ret_model);

/* What the model is called at `to`, where that differs: its public name by the `models` of `from`
 * (turned around; a name that is a public one there stays), then by those of `to`. `from` NULL:
 * the call was made to `to` itself. *ret_model is one of the routes', or `model`. */
bool mapping_renames(const struct route *from, const struct route *to, struct slice model,
                     struct slice *ret_model);

/* The body with this in place of its "model", or as its first member. STATUS_INVALID: it is no JSON
 * object, or has it twice; the error is for the caller. STATUS_TOO_LARGE: the buffer is full. */
MUST_USE enum status mapping_body(struct slice body, struct slice model, struct buffer *out,
                                  struct error *err);

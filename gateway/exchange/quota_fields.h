/*
 * quota_fields: what an answer says of the quotas that its request fell under: RateLimit-Policy and
 * RateLimit (draft-ietf-httpapi-ratelimit-headers), the names that the provider's own SDKs read,
 * and the sentence of a refusal.
 */
#pragma once

#include "base/buffer.h"
#include "base/status.h"
#include "gateway/client/problem.h"

struct demand;
struct exchange;
struct limit;

/* Appends the fields, each with its line end; nothing if no quota applied. */
MUST_USE enum status quota_fields_write(const struct exchange *exchange, struct buffer *out);

/* The fields of an answer of 429 besides: Retry-After and its like. */
MUST_USE enum status quota_fields_write_retry(const struct demand *demand, struct buffer *out);

/* quota_exceeded, budget_exceeded or concurrency_exceeded. */
enum problem_code quota_problem(const struct limit *limit);

enum { QUOTA_TEXT_MAX = 360 };
/* For the caller: which rule, its limit, what is left, when there is room, what to do. */
void quota_refusal_text(const struct demand *demand, char out[QUOTA_TEXT_MAX]);

/*
 * steps: the steps of an exchange, a file each, and what they share. Only for gateway/exchange.
 */
#pragma once

#include "gateway/exchange/exchange.h"

enum step_result match_begin(struct exchange *exchange);
enum step_result identify_begin(struct exchange *exchange);
enum step_result admit_begin(struct exchange *exchange);
enum step_result admit_resume(struct exchange *exchange);
enum step_result receive_begin(struct exchange *exchange);
enum step_result receive_resume(struct exchange *exchange);
enum step_result prepare_begin(struct exchange *exchange);
enum step_result send_begin(struct exchange *exchange);
enum step_result send_resume(struct exchange *exchange);
enum step_result deliver_begin(struct exchange *exchange);
enum step_result deliver_resume(struct exchange *exchange);
enum step_result refuse_begin(struct exchange *exchange);
enum step_result settle_begin(struct exchange *exchange);

/* The only place that changes the state: trace it here. */
enum step_result exchange_go(struct exchange *exchange, enum exchange_state next);

/* Ends the request with an error of our own: if no answer has begun it is sent, else the answer is
 * cut. `by` is who is to blame. */
enum step_result exchange_fail(struct exchange *exchange, enum ended_by by, enum problem_code code,
                               const char *format, ...) PRINTF_LIKE(4, 5);

/* Ends it because this quota has no room; NULL: because none could be asked (refuse.c). */
enum step_result exchange_fail_quota(struct exchange *exchange, const struct demand *demand);

/* The client's request is broken (400, 408 or what `fault` says): answers and closes. */
enum step_result exchange_fail_request(struct exchange *exchange, const struct http1_fault *fault);

/* Sets the whole request's deadline: timeouts.total, of which it may have spent some in a line. */
void exchange_limit_time(struct exchange *exchange);

/* Notes who ended it, where and why; the first one counts. */
void exchange_note_end(struct exchange *exchange, enum ended_by by);

/* The log line and the metrics of one that ends; after its quotas are settled (record.c). */
void exchange_record(struct exchange *exchange, usec_t now);

/* Writes the answer's head to the connection and decides the framing (answer_head.c). */
enum status answer_head_write(struct exchange *exchange);
/* Writes trailer lines, without what only the gateway says and without the credential. */
void answer_trailers_write(struct exchange *exchange, struct slice trailers);
/* Forwards a 1xx head. */
void answer_head_write_interim(struct exchange *exchange, const struct http1_response *interim);

/*
 * steps: the steps of an exchange, a file each, and what they share. Only for gateway/exchange.
 */
#pragma once

#include "gateway/exchange/exchange.h"

enum step_result match_begin(struct exchange *exchange);
enum step_result identify_begin(struct exchange *exchange);
enum step_result identify_resume(struct exchange *exchange);
enum step_result inspect_begin(struct exchange *exchange);
enum step_result admit_begin(struct exchange *exchange);
enum step_result admit_resume(struct exchange *exchange);
enum step_result receive_begin(struct exchange *exchange);
enum step_result receive_resume(struct exchange *exchange);
enum step_result join_begin(struct exchange *exchange);
enum step_result join_resume(struct exchange *exchange);
enum step_result choose_begin(struct exchange *exchange);
enum step_result choose_resume(struct exchange *exchange);
enum step_result mint_begin(struct exchange *exchange);
enum step_result mint_resume(struct exchange *exchange);
enum step_result prepare_begin(struct exchange *exchange);
enum step_result send_begin(struct exchange *exchange);
enum step_result send_resume(struct exchange *exchange);
enum step_result back_off_begin(struct exchange *exchange);
enum step_result back_off_resume(struct exchange *exchange);
enum step_result deliver_begin(struct exchange *exchange);
enum step_result deliver_resume(struct exchange *exchange);
enum step_result refuse_begin(struct exchange *exchange);
enum step_result settle_begin(struct exchange *exchange);
/* All is written, and the last bytes of the answer have still to go: closes the books, and gives
 * back what others may wait for, so that who has the whole answer finds its place free (settle.c).
 */
void settle_before_end(struct exchange *exchange);

/* The only place that changes the state: trace it here. */
enum step_result exchange_go(struct exchange *exchange, enum exchange_state next);

/* Ends the request with an error of our own: if no answer has begun it is sent, else the answer is
 * cut. `by` is who is to blame. */
enum step_result exchange_fail(struct exchange *exchange, enum ended_by by, enum problem_code code,
                               const char *format, ...) PRINTF_LIKE(4, 5);

/* Ends it because this rule of the tenant's forbids it (inspect.c). */
enum step_result inspect_refuse(struct exchange *exchange, const char *rule);

/* Ends it because this quota has no room; NULL: because none could be asked (refuse.c). */
enum step_result exchange_fail_quota(struct exchange *exchange, const struct demand *demand);

/* The client's request is broken (400, 408 or what `fault` says): answers and closes. */
enum step_result exchange_fail_request(struct exchange *exchange, const struct http1_fault *fault);

/* Sets the whole request's deadline: timeouts.total, of which it may have spent some in a line. */
void exchange_limit_time(struct exchange *exchange);

/* ---- the way upstream: way.c, choose.c, weigh.c, fallback.c ---- */

/* What an attempt's end (`response` NULL) or its answer's head leads to: the next attempt, another
 * route, the answer, or an error (weigh.c). */
enum step_result weigh(struct exchange *exchange, const struct http1_response *response);
/* The attempt's answer goes to the caller, or its failure as an error: nothing is tried any more.
 */
enum step_result weigh_final(struct exchange *exchange);

/* What a failed attempt is to the client, before or within its answer (weigh.c). */
enum problem_code weigh_problem(enum attempt_fault fault);

/* Goes to the next route of the fallback that may take the request, if there is one. False: there
 * is none. */
bool fallback_go(struct exchange *exchange, enum step_result *ret);
/* Is a fallback's admission asked for? Then it ends in one of these: */
static inline bool fallback_asked(const struct exchange *exchange)
{
    return exchange->way.before.route != NULL;
}
/* It is admitted: there is no way back any more. */
enum step_result fallback_admitted(struct exchange *exchange);
/* A quota refuses it there: the next route, or what the attempt before came to, or an attempt on
 * the route that it came from. */
enum step_result fallback_refused(struct exchange *exchange);
/* What the route before has metered is kept for the log, now or at the end. */
void fallback_carry(struct exchange *exchange);

/* The path behind the route's, normalized; into `out`. False: it is longer than any call's. */
enum { CALL_PATH_MAX = 256 };
bool way_path(const struct exchange *exchange, char out[CALL_PATH_MAX], struct slice *ret);
/* Repeating the request does no harm anywhere: its method, or its call; */
bool way_repeatable(const struct exchange *exchange);
/* or, with the same account, its idempotency key. */
bool way_harmless(const struct exchange *exchange);
/* May the request be sent once more: is its body held? */
bool way_body_held(const struct exchange *exchange);
void way_ask(const struct exchange *exchange, struct pool_ask *ret);
/* Counts the request as in flight; false: there are too many. */
bool way_enter(struct exchange *exchange, const struct route *route);
/* The request's time is over while its attempt is waited for: a failure of the upstream, unless it
 * was the caller who had less patience than the route. */
void way_out_of_time(struct exchange *exchange);
/* Gives back what is held for the attempt: permits. */
void way_give_back(struct exchange *exchange);
void way_note_try(struct exchange *exchange, const struct try *it);
/* X-Sallyport-Route, where the request went to another route than its own. */
MUST_USE enum status way_write_route(const struct exchange *exchange, struct buffer *out);
/* It is in flight no longer. */
void way_leave(struct exchange *exchange);
/* All that the way holds; at the end. */
void way_fini(struct exchange *exchange);

/* The tries as JSON: [{"route":...,"status":503,...}], or nothing (tries.c). */
MUST_USE enum status tries_write(const struct tries *tries, struct buffer *out);
/* What an attempt came to, in a word, for metrics: its status, or its fault. */
enum { TRIES_CAUSE_MAX = 16 };
const char *tries_cause(const struct try *it, char out[TRIES_CAUSE_MAX]);

/* Starts an attempt with the head that lies in side->head, which is wiped (send.c). */
struct attempt *send_attempt(struct exchange *exchange);
/* Writes the upstream request's head into side->head, for send_attempt() (prepare.c). */
MUST_USE enum status prepare_head(const struct exchange *exchange);
/* Counts and ends the attempt, if there is one. */
void exchange_end_attempt(struct exchange *exchange);

/* Notes who ended it, where and why; the first one counts. */
void exchange_note_end(struct exchange *exchange, enum ended_by by);

/* "client", "gateway" and so on; "": nobody ended it early. And the client's own X-Request-Id, as a
 * label: empty if it sent none, or none that can be shown (record.c). */
const char *exchange_ended_by_name(enum ended_by by);
struct slice exchange_client_label(const struct exchange *exchange);
/* What an attempt has done, when it ends (record.c). */
void exchange_count_attempt(const struct exchange *exchange);
/* The log line and the metrics of one that ends; after its quotas are settled (record.c). */
void exchange_record(struct exchange *exchange, usec_t now);

/* Writes the answer's head to the connection and decides the framing (answer_head.c). */
enum status answer_head_write(struct exchange *exchange);
/* Writes trailer lines, without what only the gateway says and without the credential. */
void answer_trailers_write(struct exchange *exchange, struct slice trailers);
/* Forwards a 1xx head. */
void answer_head_write_interim(struct exchange *exchange, const struct http1_response *interim);

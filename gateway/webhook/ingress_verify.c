/*
 * ingress_verify: is it from who it says? Asks auth/inbound, fetches the key where one is needed,
 * and answers handshakes.
 */
#include "config/snapshot.h"
#include "gateway/client/connection.h"
#include "gateway/exchange/exchange_side.h"
#include "gateway/observe/families.h"
#include "gateway/web/web_call.h"
#include "gateway/webhook/ingress_secrets.h"
#include "gateway/webhook/ingress_state.h"

enum { KEY_BODY_MAX_BYTES = 16 * 1024, CONFIRMATION_MAX_BYTES = 64 * 1024 };

#define FETCH_TIME   (10 * SEC) /* then the provider is told to come again */
#define RETRY_FETCH  (10 * SEC)
#define RETRY_SECRET (30 * SEC)

/* What was fetched of the key that the signature needs. */
struct fetched {
    enum webhook_fetched state;
    struct slice text;
};

static void check(struct ingress *ingress, const struct fetched *fetched);

/* ---- the request as auth/inbound sees it ---- */

/* The one that the provider called: as configured, with the query of this request; or as it came.
 */
static struct slice public_url(struct ingress *ingress)
{
    const struct http1_request *request = ingress->request;
    struct slice url = ingress->hook->public_url;
    size_t at = slice_find(request->path, '?');
    struct slice query = slice_skip(request->path, at);
    if (url.len == 0) {
        const char *scheme = connection_is_tls(ingress->connection) ? "https" : "http";
        return slice_from(arena_print(&ingress->arena, "%s://%.*s%.*s", scheme,
                                      SLICE_ARG(request->host), SLICE_ARG(request->path)));
    }
    if (query.len == 0 || slice_find(url, '?') < url.len) {
        return url;
    }
    return slice_from(arena_print(&ingress->arena, "%.*s%.*s", SLICE_ARG(url), SLICE_ARG(query)));
}

static void describe(struct ingress *ingress, const struct ingress_secrets *secrets,
                     const struct fetched *fetched, struct webhook_request *ret)
{
    const struct http1_request *request = ingress->request;
    const struct hook *hook = ingress->hook;
    if (ingress->url.len == 0) {
        ingress->url = public_url(ingress);
    }
    *ret = (struct webhook_request){
        .method = request->method_text,
        .url = ingress->url,
        .fields = request->fields,
        .field_count = request->field_count,
        .body = ingress->body_slice,
        .now = (int64_t)(clock_wall() / SEC),
        .secrets = secrets->secrets,
        .secret_count = secrets->count,
        .topics = hook->topics,
        .topic_count = hook->topic_count,
        .audience = hook->audience,
        .email = hook->service_account,
        .fetched_state = fetched->state,
        .fetched = fetched->text,
    };
}

/* ---- handshakes ---- */

static void confirmed(void *ctx, const struct fetch_result *result)
{
    struct ingress *ingress = ctx;
    ingress->confirmation = NULL;
    ingress->confirmed = result->fault == ATTEMPT_OK ? result->status : 0;
    wake(&ingress->waiter);
}

static void confirmation_failed(struct ingress *ingress)
{
    ingress_refuse(ingress, &(struct ingress_answer){.status = 503,
                                                     .reason = "confirmation_failed",
                                                     .retry_after = RETRY_FETCH});
}

static void confirm(struct ingress *ingress)
{
    struct exchange_side *exchanges = ingress->side->exchanges;
    ingress->confirmation =
        web_call_start(&(struct web_call_request){.loop = exchanges->loop,
                                                  .upstreams = exchanges->upstreams,
                                                  .snapshot = ingress->snapshot,
                                                  .url = ingress->challenge.confirm_url,
                                                  .answer_bytes = CONFIRMATION_MAX_BYTES},
                       ingress, confirmed);
    if (ingress->confirmation == NULL) {
        confirmation_failed(ingress);
        return;
    }
    ingress_wait(ingress, INGRESS_CONFIRM, FETCH_TIME);
}

static void answer_challenge(struct ingress *ingress)
{
    const struct webhook_challenge_answer *challenge = &ingress->challenge;
    ingress_acknowledge(ingress, INGRESS_CHALLENGE,
                        &(struct ingress_answer){.status = challenge->status,
                                                 .media_type = challenge->media_type,
                                                 .body = challenge->body});
}

void ingress_confirm_resume(struct ingress *ingress)
{
    if (ingress->confirmation != NULL && !ingress->late) {
        return;
    }
    if (ingress->confirmed >= 200 && ingress->confirmed < 300) {
        answer_challenge(ingress);
    } else {
        confirmation_failed(ingress);
    }
}

static void take_challenge(struct ingress *ingress)
{
    if (ingress->challenge.status != 200) {
        ingress_refuse_unverified(ingress, ingress->challenge.status, "handshake");
    } else if (ingress->challenge.confirm_url.len > 0) {
        confirm(ingress);
    } else {
        answer_challenge(ingress);
    }
}

/* ---- the key ---- */

static void key_unavailable(struct ingress *ingress, const char *detail)
{
    ingress_refuse(ingress, &(struct ingress_answer){.status = 503,
                                                     .reason = "key_unavailable",
                                                     .detail = detail,
                                                     .retry_after = RETRY_FETCH});
}

/* A set of keys that was here lacks this one, and no newer one is to be had now. */
static void not_in_the_set(struct ingress *ingress)
{
    ingress_refuse_unverified(ingress, 401, webhook_reason_name(WEBHOOK_KEY_UNKNOWN));
}

static void ask_for_key(struct ingress *ingress, bool newer)
{
    struct ingress_side *side = ingress->side;
    const struct webhook_scheme *scheme = ingress->hook->scheme;
    bool by_set = ingress->result.need == WEBHOOK_NEEDS_KEY;
    bool by_name = by_set && scheme->key_set_body.len > 0;
    struct fetched fetched = {.state = WEBHOOK_FETCHED};
    struct buffer body CLEANUP(buffer_wipe);
    buffer_init(&body, KEY_BODY_MAX_BYTES);
    if (by_set && scheme->key_set_url.len == 0) {
        key_unavailable(ingress, "the scheme does not say where its keys are: key_set_url");
        return;
    }
    if (by_name &&
        ingress_secrets_key_body(ingress->hook, ingress->result.need_name, &body) != STATUS_OK) {
        key_unavailable(ingress, "the hook's secrets are not there that its keys are asked for "
                                 "with: the client's id, then its secret");
        return;
    }
    const struct verify_key_question question = {
        .url = by_set ? scheme->key_set_url : ingress->result.need_name,
        .name = by_name ? ingress->result.need_name : slice_make("", 0),
        .body = buffer_bytes(&body),
        .newer = newer,
        .may_fetch = ingress_source_fits(ingress),
        .snapshot = ingress->snapshot,
    };
    switch (verify_keys_ask(side->keys, &question, &ingress->key_wait, &ingress->waiter,
                            &fetched.text)) {
    case VERIFY_KEY_HERE:
        check(ingress, &fetched);
        break;
    case VERIFY_KEY_PENDING:
        ingress_wait(ingress, INGRESS_FETCH, FETCH_TIME);
        break;
    case VERIFY_KEY_ABSENT:
        fetched.state = WEBHOOK_NOT_TO_BE_HAD;
        check(ingress, &fetched);
        break;
    case VERIFY_KEY_NONE:
        if (newer) {
            not_in_the_set(ingress);
        } else {
            key_unavailable(ingress, "it cannot be fetched");
        }
        break;
    case VERIFY_KEY_UNASKED:
        (void)ingress_source_has_room(ingress); /* it does not, and is told so */
        break;
    }
}

void ingress_fetch_resume(struct ingress *ingress)
{
    if (ingress->late) {
        key_unavailable(ingress, "it was not fetched in time");
    } else if (ingress->key_wait.key == NULL) {
        ask_for_key(ingress, false);
    }
}

/* ---- the verdict ---- */

static void accepted(struct ingress *ingress)
{
    const char *const labels[] = {ingress->hook->name};
    metrics_count(ingress->side->exchanges->metrics, FAMILY_webhooks_verified_total, labels, 1);
    timer_stop(&ingress->deadline);
    if (ingress->challenge.is_challenge) {
        take_challenge(ingress);
    } else if (ingress->request->method == HTTP1_POST) {
        ingress_put(ingress);
    } else {
        ingress_refuse_unverified(ingress, 400, "handshake");
    }
}

/* One of the secrets that it may have been signed with cannot be read now: it is not refused for
 * good. */
static void refused(struct ingress *ingress, bool secret_missing)
{
    const struct webhook_scheme *scheme = ingress->hook->scheme;
    bool unknown = ingress->result.reason == WEBHOOK_KEY_UNKNOWN;
    if (unknown && scheme->key_set_body.len == 0 && !ingress->key_renewed) {
        ingress->key_renewed = true;
        ingress->result.need = WEBHOOK_NEEDS_KEY;
        ask_for_key(ingress, true);
        return;
    }
    if (!secret_missing) {
        ingress_refuse_unverified(ingress, 401, webhook_reason_name(ingress->result.reason));
    } else if (ingress_source_has_room(ingress)) {
        ingress_count(ingress);
        ingress_refuse(ingress, &(struct ingress_answer){.status = 503,
                                                         .reason = "secret_unavailable",
                                                         .retry_after = RETRY_SECRET});
    }
}

static void check(struct ingress *ingress, const struct fetched *fetched)
{
    const struct webhook_scheme *scheme = ingress->hook->scheme;
    struct webhook_request request;
    struct ingress_secrets secrets;
    ingress_secrets_open(ingress->hook, &secrets);
    describe(ingress, &secrets, fetched, &request);
    webhook_verify(scheme, &request, &ingress->arena, &ingress->result);
    if (ingress->result.outcome == WEBHOOK_ACCEPTED) {
        webhook_challenge(scheme, &request, WEBHOOK_VERIFIED, secrets.verify_token, &ingress->arena,
                          &ingress->challenge);
    }
    bool missing = secrets.missing;
    ingress_secrets_close(&secrets);
    switch (ingress->result.outcome) {
    case WEBHOOK_ACCEPTED:
        accepted(ingress);
        break;
    case WEBHOOK_REFUSED:
        refused(ingress, missing);
        break;
    case WEBHOOK_NEEDS:
        ask_for_key(ingress, false);
        break;
    }
}

void ingress_verify(struct ingress *ingress)
{
    static const struct fetched nothing = {.state = WEBHOOK_NOT_ASKED};
    const struct webhook_scheme *scheme = ingress->hook->scheme;
    struct webhook_request request;
    struct ingress_secrets secrets;
    ingress_secrets_open(ingress->hook, &secrets);
    describe(ingress, &secrets, &nothing, &request);
    webhook_challenge(scheme, &request, WEBHOOK_UNVERIFIED, secrets.verify_token, &ingress->arena,
                      &ingress->challenge);
    ingress_secrets_close(&secrets);
    if (!ingress->challenge.is_challenge) {
        if (ingress->request->method == HTTP1_GET && !scheme->challenge_signed) {
            ingress_refuse_unverified(ingress, 400, "handshake");
        } else {
            check(ingress, &nothing);
        }
    } else if (ingress_source_has_room(ingress)) { /* anybody can ask for it */
        ingress_count(ingress);
        take_challenge(ingress);
    }
}

/* token_fetch: has one token: a call to the endpoint, or a signature of our own. */
#include "auth/outbound/token_answer.h"
#include "auth/secrets/secret_store.h"
#include "auth/secrets/small_file.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "config/snapshot.h"
#include "config/token.h"
#include "gateway/observe/audit_log.h"
#include "gateway/observe/families.h"
#include "gateway/observe/log.h"
#include "gateway/tokens/kept_tokens.h"
#include "gateway/tokens/token_call.h"
#include "gateway/tokens/tokens_state.h"
#include "gateway/upstream/fetch.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SKEW_SAID = 30, /* seconds that a clock is off by before it is said, and tried again */
    SKEW_NOTED = 2, /* seconds: less is the way of the answer */
};

struct token_fetch {
    struct letter letter; /* first: see on_letter() */
    struct reapable reapable;
    struct timer retry; /* asks once more, when the call before is gone */
    struct tokens *tokens;
    struct token_fetch *next, *prev; /* of those that run, or wait */
    struct token_entry *entry;       /* borrowed: it stays while it is fetched */
    struct snapshot *snapshot;       /* ref */
    const struct token_rule *rule;   /* of the snapshot */
    struct credential *secret;       /* ref */
    struct secret *subject;          /* owned; NULL: nobody is acted for */
    usec_t began;
    struct token_called call; /* the one that runs, or is next; or what is signed */
    unsigned step;            /* of a grant of several */
    struct secret *earlier;   /* owned; what the step before came to; NULL: it is the first */
    struct fetch *fetch;      /* NULL: none runs */
    int64_t skew;             /* seconds that the endpoint's clock is ahead by */
    bool again;               /* it was asked once more, for its clock */
};

static void pump(struct tokens *tokens);
static void begin(struct token_fetch *it);

static void free_fetch(struct token_fetch *it)
{
    fetch_cancel(it->fetch);
    timer_cancel(&it->tokens->loop.timers, &it->retry);
    token_called_fini(&it->call);
    secret_free(it->earlier);
    credential_unref(it->secret);
    secret_free(it->subject);
    snapshot_unref(it->snapshot);
    memory_free(it);
}

static void reap(struct reapable *reapable)
{
    free_fetch((struct token_fetch *)((char *)reapable - offsetof(struct token_fetch, reapable)));
}

static void on_retry(struct timer *timer)
{
    begin((struct token_fetch *)((char *)timer - offsetof(struct token_fetch, retry)));
}

/* ---- what comes of it ---- */

static void count(const struct token_fetch *it, const char *result)
{
    const char *const labels[] = {it->secret->name, it->rule->plan.grant->name, result};
    metrics_count(it->tokens->metrics, FAMILY_credential_refreshes_total, labels, 1);
}

static void count_unwritten(struct tokens *tokens)
{
    metrics_set(tokens->metrics, METRIC_refresh_tokens_unwritten,
                (int64_t)kept_tokens_unwritten(tokens->kept));
}

static void unlink_running(struct token_fetch *it)
{
    struct tokens *tokens = it->tokens;
    if (it->prev != NULL) {
        it->prev->next = it->next;
    } else {
        tokens->running = it->next;
    }
    if (it->next != NULL) {
        it->next->prev = it->prev;
    }
    tokens->running_count--;
}

/* What the call has borrowed outlives it: this may be within it. */
static void settle(struct token_fetch *it, struct token_result *result)
{
    struct tokens *tokens = it->tokens;
    unlink_running(it);
    result->skew = it->skew;
    tokens_settle(tokens, it->entry, result);
    loop_reap(&tokens->loop, &it->reapable, reap);
    pump(tokens);
}

/* Who was asked, as callers may read it. */
static struct slice asked_of(const struct token_fetch *it)
{
    const struct token_plan *plan = &it->rule->plan;
    switch (it->call.step.place) {
    case TOKEN_AT_ENDPOINT:
        return plan->grant->call != NULL ? plan->values[TOKEN_URL] : slice_make("", 0);
    case TOKEN_AT_URL:
        return buffer_bytes(&it->call.where);
    case TOKEN_FROM_URL:
        return SLICE("the URL of the secret's credential_source");
    case TOKEN_IN_FILE:
        return SLICE("the file of the secret's credential_source");
    }
    return slice_make("", 0);
}

/* `why` is a sentence about the endpoint, or about the secret, which callers see; `detail` is for
 * the operator, and may be empty. */
static void fail(struct token_fetch *it, const char *why, const char *detail)
{
    char text[TOKENS_FAILURE_MAX];
    const struct token_plan *plan = &it->rule->plan;
    const struct audit_event event = {
        .kind = AUDIT_TOKEN_FAILED, .secret = it->secret->name, .version = it->secret->version};
    struct slice asked = asked_of(it);
    (void)snprintf(text, sizeof(text), "%.*s%s%s", SLICE_ARG(asked), asked.len > 0 ? " " : "", why);
    count(it, "failed");
    if (it->subject == NULL) { /* else a caller could fill the log */
        audit(LOG_LEVEL_WARN, &event, "secret \"%s\": no token by %s: %s%s%s", it->secret->name,
              plan->grant->name, text, detail[0] == '\0' ? "" : ": ", detail);
    }
    settle(it, &(struct token_result){.failure = text});
}

static void succeed(struct token_fetch *it, struct slice token, usec_t life)
{
    const struct token_grant *grant = it->rule->plan.grant;
    const struct audit_event event = {
        .kind = AUDIT_TOKEN_HAD, .secret = it->secret->name, .version = it->secret->version};
    struct credential *credential = credential_new(
        it->secret->name, secret_new(token), token_scrubber(grant, token), it->secret->version);
    count(it, "fetched");
    if (it->subject == NULL) {
        audit_note(&event, "a token by %s, for %lld s", grant->name, (long long)(life / SEC));
    }
    settle(it, &(struct token_result){.take_token = credential, .began = it->began, .life = life});
}

/* ---- the endpoint's clock ---- */

static int64_t wall_seconds(void)
{
    return clock_wall() / SEC;
}

/* What its Date says. True: it differs by more than was known, so that what is dated by it may be
 * taken now. */
static bool learn_skew(struct token_fetch *it, const struct fetch_result *result)
{
    int64_t date = 0;
    for (unsigned i = 0; i < result->field_count; i++) {
        if (slice_equal_nocase(result->fields[i].name, SLICE("date")) &&
            !token_http_date(result->fields[i].value, &date)) {
            return false;
        }
    }
    int64_t skew = date == 0 ? 0 : date - wall_seconds();
    bool news = date != 0 && llabs(skew - it->skew) >= SKEW_SAID;
    if (date != 0) {
        it->skew = llabs(skew) > SKEW_NOTED ? skew : 0;
    }
    if (news) {
        log_warn("the clock of %s is %" PRId64 " s %s ours: what is signed for it goes by its own",
                 it->call.goal.origin.host, (int64_t)llabs(skew), skew > 0 ? "ahead of" : "behind");
    }
    return news;
}

/* ---- several steps ---- */

/* Takes what this one came to. */
static void go_on(struct token_fetch *it, struct secret *take_earlier)
{
    secret_free(it->earlier);
    it->earlier = take_earlier;
    it->step++;
    it->again = false;
    assert(it->step < TOKEN_STEPS_MAX);
    loop_timer(&it->tokens->loop, &it->retry, 0);
}

static void take_subject(struct token_fetch *it, struct slice text)
{
    struct error err;
    struct secret *subject = NULL;
    if (token_called_read(text, buffer_bytes(&it->call.member), &subject, &err) != STATUS_OK) {
        fail(it, err.message, "");
    } else {
        go_on(it, subject);
    }
}

/* This thread may wait for a disk. */
static void take_file(struct token_fetch *it)
{
    struct error err;
    struct secret *text = NULL;
    if (small_file_read(buffer_bytes(&it->call.where).ptr, TOKEN_ANSWER_MAX, &text, NULL, &err) !=
        STATUS_OK) {
        fail(it, "cannot be read", err.message);
    } else {
        take_subject(it, secret_reveal(text));
    }
    secret_free(text);
}

/* ---- the call ---- */

static void take_source(struct token_fetch *it, const struct fetch_result *result)
{
    char why[TOKENS_FAILURE_MAX];
    if (result->status < 200 || result->status > 299) {
        (void)snprintf(why, sizeof(why), "answered %u", result->status);
        fail(it, why, it->call.goal.origin.authority);
    } else {
        take_subject(it, result->body);
    }
}

static void take_answer(struct token_fetch *it, const struct fetch_result *result)
{
    struct error err;
    struct token_answer answer = {0};
    const struct token_plan *plan = &it->rule->plan;
    bool retimed = learn_skew(it, result) && plan->grant->dated;
    enum status status = token_answer_read(plan, result->status, result->body,
                                           wall_seconds() + it->skew, &answer, &err);
    if (status == STATUS_OK && it->call.step.more) {
        go_on(it, secret_new(answer.token));
    } else if (status == STATUS_OK) {
        if (answer.refresh_token.len > 0 && plan->grant->rotates) {
            kept_tokens_put(it->tokens->kept, it->snapshot, it->secret, answer.refresh_token);
            count_unwritten(it->tokens);
        }
        succeed(it, answer.token, answer.life);
    } else if (retimed && result->status >= 400 && result->status < 500 && !it->again) {
        it->again = true;
        loop_timer(&it->tokens->loop, &it->retry, 0);
    } else {
        fail(it, err.message, "");
    }
    token_answer_fini(&answer);
}

static void on_done(void *ctx, const struct fetch_result *result)
{
    struct token_fetch *it = ctx;
    char why[TOKENS_FAILURE_MAX];
    it->fetch = NULL;
    if (result->fault != ATTEMPT_OK) {
        fail(it, fetch_fault_text(result->fault), result->message == NULL ? "" : result->message);
    } else if (result->cut) {
        (void)snprintf(why, sizeof(why), "answered %u with more than %d bytes", result->status,
                       TOKEN_ANSWER_MAX);
        fail(it, why, "");
    } else if (it->call.step.place == TOKEN_FROM_URL) {
        take_source(it, result);
    } else {
        take_answer(it, result);
    }
}

static void start_call(struct token_fetch *it)
{
    struct tokens *tokens = it->tokens;
    it->fetch = fetch_start(
        &(struct fetch_request){
            .loop = &tokens->loop,
            .upstreams = tokens->upstreams,
            .origin = &it->call.goal.origin,
            .egress = &tokens->egress,
            .connect_timeout = TOKENS_TIME / 2,
            .timeout = TOKENS_TIME,
            .method = it->call.method,
            .head = buffer_bytes(&it->call.head),
            .body = buffer_bytes(&it->call.body),
            .answer_bytes = TOKEN_ANSWER_MAX,
            .answer_secret = true,
            .repeatable = !it->rule->plan.grant->rotates,
        },
        it, on_done);
    buffer_wipe(&it->call.head);
}

static void sign_here(struct token_fetch *it, const struct token_input *input)
{
    struct error err = {.message = "the token is too long"};
    usec_t life = 0;
    struct buffer *token = &it->call.body;
    if (token_called_room(token) != STATUS_OK ||
        input->plan->grant->sign(input, token, &life, &err) != STATUS_OK) {
        fail(it, err.message, "");
    } else {
        succeed(it, buffer_bytes(token), life);
    }
}

static void begin(struct token_fetch *it)
{
    struct error err;
    const struct token_plan *plan = &it->rule->plan;
    struct token_input input = {.plan = plan,
                                .secret = secret_reveal(it->secret->secret),
                                .wall = wall_seconds() + it->skew,
                                .step = it->step};
    if (it->step == 0) {
        it->began = it->tokens->loop.now;
    } else {
        input.earlier = secret_reveal(it->earlier);
    }
    if (it->subject != NULL) {
        input.subject = secret_reveal(it->subject);
    }
    if (input.secret.len > TOKEN_SECRET_MAX) {
        fail(it, "is not asked: the secret is longer than any that it takes", "");
        return;
    }
    if (plan->grant->rotates) {
        const struct secret *kept = kept_tokens_get(it->tokens->kept, it->snapshot, it->secret);
        input.refresh_token = kept == NULL ? slice_make("", 0) : secret_reveal(kept);
        count_unwritten(it->tokens);
    }
    if (plan->grant->sign != NULL) {
        sign_here(it, &input);
    } else if (token_called_make(&it->call, it->rule, &input, &err) != STATUS_OK) {
        fail(it, err.message, "");
    } else if (it->call.step.place == TOKEN_IN_FILE) {
        take_file(it);
    } else {
        start_call(it);
    }
}

/* ---- which run ---- */

/* A refresh token is good once: those of one secret go one after the other. */
static bool must_wait(const struct tokens *tokens, const struct token_fetch *it)
{
    for (const struct token_fetch *other = tokens->running; other != NULL; other = other->next) {
        if (it->rule->plan.grant->rotates && other->rule->plan.grant->rotates &&
            strcmp(other->secret->name, it->secret->name) == 0) {
            return true;
        }
    }
    return tokens->running_count >= TOKENS_FETCHES_MAX;
}

/* Takes the first that may run out of the queue; NULL: there is none. */
static struct token_fetch *take_next(struct tokens *tokens)
{
    struct token_fetch *before = NULL;
    struct token_fetch *it = tokens->queued;
    while (it != NULL && must_wait(tokens, it)) {
        before = it;
        it = it->next;
    }
    if (it != NULL && before == NULL) {
        tokens->queued = it->next;
    } else if (it != NULL) {
        before->next = it->next;
    }
    if (it != NULL && tokens->queued_last == it) {
        tokens->queued_last = before;
    }
    return it;
}

/* One that fails at once comes back here: the outer one goes on. */
static void pump(struct tokens *tokens)
{
    struct token_fetch *it;
    if (tokens->pumping) {
        return;
    }
    tokens->pumping = true;
    while (!tokens->stopping && (it = take_next(tokens)) != NULL) {
        it->prev = NULL;
        it->next = tokens->running;
        if (tokens->running != NULL) {
            tokens->running->prev = it;
        }
        tokens->running = it;
        tokens->running_count++;
        begin(it);
    }
    tokens->pumping = false;
}

static void on_letter(struct letter *letter, void *receiver)
{
    struct token_fetch *it = (struct token_fetch *)letter;
    struct tokens *tokens = receiver;
    if (tokens->stopping) {
        free_fetch(it);
        return;
    }
    if (tokens->queued_last != NULL) {
        tokens->queued_last->next = it;
    } else {
        tokens->queued = it;
    }
    tokens->queued_last = it;
    pump(tokens);
}

void token_fetch_post(struct tokens *tokens, struct token_entry *entry, const struct token_ask *ask)
{
    struct token_fetch *it = MEMORY_NEW(struct token_fetch);
    it->letter.run = on_letter;
    it->tokens = tokens;
    it->entry = entry;
    it->snapshot = snapshot_ref(ask->snapshot);
    it->rule = ask->rule;
    it->secret = credential_ref(ask->secret);
    it->subject = ask->subject.len > 0 ? secret_new(ask->subject) : NULL;
    it->skew = entry->skew;
    timer_init(&it->retry, on_retry);
    entry->fetching = true;
    mailbox_post(tokens->mailbox, &it->letter);
}

static void free_list(struct token_fetch *list)
{
    while (list != NULL) {
        struct token_fetch *it = list;
        list = it->next;
        free_fetch(it);
    }
}

void token_fetches_cancel(struct tokens *tokens)
{
    free_list(TAKE(tokens->running));
    free_list(TAKE(tokens->queued));
    tokens->queued_last = NULL;
    tokens->running_count = 0;
}

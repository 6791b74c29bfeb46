#include "gateway/tokens/tokens.h"

#include "auth/secrets/secret_store.h"
#include "base/buffer.h"
#include "base/digest.h"
#include "base/memory.h"
#include "base/waiter.h"
#include "config/snapshot.h"
#include "config/token.h"
#include "gateway/observe/helper_thread.h"
#include "gateway/tokens/kept_tokens.h"
#include "gateway/tokens/tokens_state.h"
#include "gateway/upstream/attempt.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- who waits ---- */

/* On the asker's thread. */
static void on_wait_letter(struct letter *letter, void *receiver)
{
    struct token_wait *wait = (struct token_wait *)letter;
    (void)receiver;
    if (wait->owner != NULL) {
        *wait->owner = NULL;
        wake(wait->asker.waiter);
    }
    memory_free(wait);
}

/* Under the lock. */
static void unlink_wait(struct token_wait *wait)
{
    if (wait->prev != NULL) {
        wait->prev->next = wait->next;
    } else {
        wait->entry->waits = wait->next;
    }
    if (wait->next != NULL) {
        wait->next->prev = wait->prev;
    }
    wait->entry = NULL;
}

static void enlist(struct tokens *tokens, struct token_entry *entry,
                   const struct token_asker *asker, struct token_wait **owner)
{
    struct token_wait *wait = MEMORY_NEW(struct token_wait);
    wait->letter.run = on_wait_letter;
    wait->tokens = tokens;
    wait->entry = entry;
    wait->asker = *asker;
    wait->owner = owner;
    wait->next = entry->waits;
    if (entry->waits != NULL) {
        entry->waits->prev = wait;
    }
    entry->waits = wait;
    *owner = wait;
}

void token_wait_leave(struct token_wait **owner)
{
    struct token_wait *wait = TAKE(*owner);
    if (wait == NULL) {
        return;
    }
    struct tokens *tokens = wait->tokens;
    wait->owner = NULL;
    (void)pthread_mutex_lock(&tokens->lock);
    bool posted = wait->entry == NULL; /* then its letter frees it */
    if (!posted) {
        unlink_wait(wait);
    }
    (void)pthread_mutex_unlock(&tokens->lock);
    if (!posted) {
        memory_free(wait);
    }
}

/* Under the lock, so that who leaves knows whether its letter is on the way. */
static void tell_all(struct token_entry *entry)
{
    while (entry->waits != NULL) {
        struct token_wait *wait = entry->waits;
        unlink_wait(wait);
        mailbox_post(wait->asker.mailbox, &wait->letter);
    }
}

/* ---- asking ---- */

static enum tokens_answer answer(struct tokens *tokens, struct token_entry *entry,
                                 const struct token_ask *ask, struct credential **ret)
{
    entry->used = ask->now;
    bool here = entry->token != NULL && ask->now < entry->expires;
    bool wanted = !here || ask->now >= entry->refresh_at;
    if (wanted && !entry->fetching && ask->now >= entry->retry_at) {
        token_fetch_post(tokens, entry, ask);
    }
    if (here) {
        *ret = credential_ref(entry->token);
        return TOKEN_HERE;
    }
    return entry->fetching ? TOKEN_PENDING : TOKEN_NONE;
}

static void say_why(const struct token_entry *entry, usec_t now, struct error *err)
{
    (void)error_set(err, STATUS_UNAVAILABLE, __FILE__, __LINE__,
                    "%s; it is asked again in %lld s at the earliest", entry->failure,
                    (long long)((entry->retry_at - now + SEC - 1) / SEC));
}

enum tokens_answer tokens_ask(struct tokens *tokens, const struct token_ask *ask,
                              const struct token_asker *asker, struct token_wait **wait,
                              struct credential **ret, struct error *err)
{
    enum tokens_answer result = TOKEN_NONE;
    assert(*wait == NULL);
    (void)pthread_mutex_lock(&tokens->lock);
    struct token_entry *entry = token_table_find(tokens, ask);
    if (entry == NULL) {
        entry = token_table_add(tokens, ask);
    }
    if (entry == NULL) {
        (void)error_set(err, STATUS_UNAVAILABLE, __FILE__, __LINE__,
                        "%d tokens are being fetched, and that is the most", TOKENS_MAX);
    } else {
        result = answer(tokens, entry, ask, ret);
    }
    if (result == TOKEN_PENDING) {
        enlist(tokens, entry, asker, wait);
    } else if (result == TOKEN_NONE && entry != NULL) {
        say_why(entry, ask->now, err);
    }
    (void)pthread_mutex_unlock(&tokens->lock);
    return result;
}

bool tokens_refused(struct tokens *tokens, const struct token_ask *ask,
                    const struct credential *token)
{
    (void)pthread_mutex_lock(&tokens->lock);
    struct token_entry *entry = token_table_find(tokens, ask);
    bool ours = entry != NULL && entry->token == token;
    bool young = ours && entry->grant->sign != NULL && ask->now - entry->made < TOKENS_SIGNED;
    bool dropped = ours && !young &&
                   (entry->refused_at == 0 || ask->now - entry->refused_at >= TOKENS_REFUSED);
    /* Another one came while this request was under way: that is worth a try, too. */
    bool newer = entry != NULL && !ours && entry->token != NULL && ask->now < entry->expires;
    struct credential *old = NULL;
    if (dropped) {
        entry->refused_at = ask->now;
        old = TAKE(entry->token);
    }
    (void)pthread_mutex_unlock(&tokens->lock);
    credential_unref(old);
    return dropped || newer;
}

/* ---- what came ---- */

static usec_t back_off(unsigned failures)
{
    usec_t wait = TOKENS_BACK_OFF;
    for (unsigned i = 1; i < failures && wait < TOKENS_BACK_OFF_MAX; i++) {
        wait *= 2;
    }
    wait = wait < TOKENS_BACK_OFF_MAX ? wait : TOKENS_BACK_OFF_MAX;
    return wait - (usec_t)(random_number() % (uint64_t)(wait / 2));
}

static void take_token(struct token_entry *entry, const struct token_result *result)
{
    usec_t margin = result->life / 20 < TOKENS_MARGIN ? result->life / 20 : TOKENS_MARGIN;
    entry->token = result->take_token;
    entry->made = result->began;
    entry->made_count++;
    entry->refresh_at = result->began + result->life / 100 * TOKENS_REFRESH_AT;
    entry->expires = result->began + result->life - margin;
    entry->failures = 0;
    entry->retry_at = 0;
}

static void take_failure(struct token_entry *entry, const char *failure, usec_t now)
{
    entry->failures++;
    entry->retry_at = now + back_off(entry->failures);
    (void)snprintf(entry->failure, sizeof(entry->failure), "%s", failure);
}

void tokens_settle(struct tokens *tokens, struct token_entry *entry,
                   const struct token_result *result)
{
    struct credential *old = NULL;
    (void)pthread_mutex_lock(&tokens->lock);
    entry->fetching = false;
    entry->skew = result->skew;
    if (result->take_token != NULL) {
        old = TAKE(entry->token);
        take_token(entry, result);
    } else {
        take_failure(entry, result->failure, tokens->loop.now);
    }
    tell_all(entry);
    if (entry->gone) {
        token_entry_free(entry);
    }
    (void)pthread_mutex_unlock(&tokens->lock);
    credential_unref(old);
}

/* ---- life ---- */

struct tokens *tokens_new(struct metrics_block *metrics)
{
    struct tokens *tokens = MEMORY_NEW(struct tokens);
    tokens->metrics = metrics;
    (void)pthread_mutex_init(&tokens->lock, NULL);
    return tokens;
}

static void *thread_main(void *ctx)
{
    struct tokens *tokens = ctx;
    (void)pthread_setname_np(pthread_self(), "tokens");
    loop_run(&tokens->loop);
    return NULL;
}

static enum status allow_all(struct tokens *tokens, struct error *err)
{
    TRY(egress_network_parse(SLICE("0.0.0.0/0"), &tokens->networks[0], err));
    TRY(egress_network_parse(SLICE("::/0"), &tokens->networks[1], err));
    tokens->egress = (struct egress_policy){tokens->networks, TOKENS_NETWORKS};
    return STATUS_OK;
}

static enum status open_loop(struct tokens *tokens, struct error *err)
{
    TRY(allow_all(tokens, err));
    TRY(loop_init(&tokens->loop, err));
    enum status status = mailbox_new(&tokens->loop, tokens, &tokens->mailbox, err);
    if (status != STATUS_OK) {
        loop_fini(&tokens->loop);
    }
    return status;
}

static void close_loop(struct tokens *tokens)
{
    upstream_side_free(TAKE(tokens->upstreams));
    kept_tokens_free(TAKE(tokens->kept));
    loop_fini(&tokens->loop);
}

static enum status start(struct tokens *tokens, struct error *err)
{
    TRY(open_loop(tokens, err));
    tokens->upstreams = upstream_side_new(&tokens->loop);
    tokens->kept = kept_tokens_new();
    int failed = helper_thread_start(&tokens->thread, thread_main, tokens);
    if (failed != 0) {
        mailbox_free(TAKE(tokens->mailbox));
        close_loop(tokens);
        FAIL(err, STATUS_UNAVAILABLE, "cannot start the thread that fetches tokens: %s",
             strerrordesc_np(failed));
    }
    tokens->started = true;
    return STATUS_OK;
}

/* Certificates may be new. */
static void on_adopt(struct letter *letter, void *receiver)
{
    struct tokens *tokens = receiver;
    if (!tokens->stopping) {
        upstream_side_close_idle(tokens->upstreams);
    }
    memory_free(letter);
}

enum status tokens_adopt(struct tokens *tokens, struct snapshot *snapshot, struct error *err)
{
    bool wanted = false;
    for (unsigned i = 0; i < snapshot->route_count; i++) {
        wanted = wanted || snapshot->routes[i]->token != NULL;
    }
    if (tokens->started) {
        struct letter *letter = MEMORY_NEW(struct letter);
        letter->run = on_adopt;
        mailbox_post(tokens->mailbox, letter);
    }
    return wanted && !tokens->started ? start(tokens, err) : STATUS_OK;
}

static void on_stop(struct letter *letter, void *receiver)
{
    struct tokens *tokens = receiver;
    tokens->stopping = true;
    token_fetches_cancel(tokens);
    loop_stop(&tokens->loop);
    memory_free(letter);
}

void tokens_free(struct tokens *tokens)
{
    if (tokens == NULL) {
        return;
    }
    if (tokens->started) {
        struct letter *letter = MEMORY_NEW(struct letter);
        letter->run = on_stop;
        mailbox_post(tokens->mailbox, letter);
        (void)pthread_join(tokens->thread, NULL);
        mailbox_free(tokens->mailbox); /* a fetch that was posted behind it is dropped */
        close_loop(tokens);
    }
    for (unsigned i = 0; i < TOKENS_BUCKETS; i++) {
        while (tokens->buckets[i] != NULL) {
            struct token_entry *entry = tokens->buckets[i];
            tokens->buckets[i] = entry->next;
            token_entry_free(entry);
        }
    }
    (void)pthread_mutex_destroy(&tokens->lock);
    memory_free(tokens);
}

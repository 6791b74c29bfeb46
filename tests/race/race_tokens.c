/* Workers ask for tokens, wait for them, leave while they wait and have them refused, while the
 * thread that makes them does; values of the secret come and go. */
#include "auth/secrets/secret_store.h"
#include "base/problems.h"
#include "config/snapshot.h"
#include "gateway/loop/loop.h"
#include "gateway/loop/mailbox.h"
#include "gateway/observe/metrics.h"
#include "gateway/tokens/tokens.h"
#include "gateway/upstream/attempt.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <event2/thread.h>

enum { WORKERS = 3, TURNS = 3000, ROUTES = 4 };

static const char config[] = "version: 1\nsecrets: [{type: env}]\nroutes:\n"
                             "  a: {provider: http, base_url: \"https://a.example.com\", "
                             "credential: {secret: k}, inject: {header: X, "
                             "value: \"{secret}\"}, token: {grant: vapid, subject: a}}\n"
                             "  b: {provider: http, base_url: \"https://b.example.com\", "
                             "credential: {secret: k}, inject: {header: X, "
                             "value: \"{secret}\"}, token: {grant: vapid, subject: b}}\n"
                             "  c: {provider: http, base_url: \"https://c.example.com\", "
                             "credential: {secret: k}, inject: {header: X, "
                             "value: \"{secret}\"}, token: {grant: vapid, subject: c}}\n"
                             "  broken: {provider: http, base_url: \"https://d.example.com\", "
                             "credential: {secret: k}, inject: {header: X, "
                             "value: \"{secret}\"}, token: {grant: github_app, installation: 1}}\n";

/* Private keys of P-256, as numbers below 2^248. */
static const char *const values[] = {"AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA",
                                     "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyE"};

static struct tokens *tokens;
static struct snapshot *snapshot;

struct worker {
    struct waiter waiter; /* first: see on_news() */
    struct loop loop;
    struct mailbox *mailbox;
    bool woken, good;
    unsigned had;
};

static void on_news(struct waiter *waiter)
{
    ((struct worker *)waiter)->woken = true;
}

static bool is_token(const struct credential *token)
{
    return slice_starts_with(secret_reveal(token->secret), SLICE("t=ey")) &&
           strcmp(token->name, "k") == 0 && token->scrubber != NULL;
}

static void ask_until_here(struct worker *worker, struct token_ask *ask, unsigned turn)
{
    struct token_wait *wait = NULL;
    struct credential *token = NULL;
    struct error err;
    const struct token_asker asker = {worker->mailbox, &worker->waiter};
    for (;;) {
        switch (tokens_ask(tokens, ask, &asker, &wait, &token, &err)) {
        case TOKEN_HERE:
            worker->good = worker->good && is_token(token);
            worker->had++;
            if (turn % 2 == 0) { /* it is old enough to be refused */
                ask->now += TOKENS_SIGNED;
                (void)tokens_refused(tokens, ask, token);
                (void)usleep(100); /* no lock is taken meanwhile: what was not under it shows */
            }
            credential_unref(token);
            return;
        case TOKEN_NONE:
            worker->good = worker->good && err.message[0] != '\0';
            return;
        case TOKEN_PENDING:
            break;
        }
        if (turn % 4 == 0) {
            token_wait_leave(&wait);
            loop_turn(&worker->loop, LOOP_POLL);
            return;
        }
        for (worker->woken = false; !worker->woken;) {
            loop_turn(&worker->loop, LOOP_WAIT);
        }
        worker->good = worker->good && wait == NULL;
    }
}

static void *work(void *ctx)
{
    struct worker *worker = ctx;
    for (unsigned i = 0; i < TURNS; i++) {
        struct credential *secret =
            credential_new("k", secret_new(slice_from(values[i / 50 % 2])), NULL, 1 + i / 50);
        struct token_ask ask = {.rule = snapshot->routes[i % ROUTES]->token,
                                .snapshot = snapshot,
                                .secret = secret,
                                .now = clock_now()};
        char subject[16];
        (void)snprintf(subject, sizeof(subject), "user %u", i % 1500);
        if (i % 3 != 0) { /* more than there is room for */
            ask.subject = slice_from(subject);
            digest_sha256(ask.subject, ask.subject_id);
        }
        ask_until_here(worker, &ask, i);
        credential_unref(secret);
    }
    mailbox_free(worker->mailbox);
    loop_fini(&worker->loop);
    return NULL;
}

int main(void)
{
    pthread_t threads[WORKERS];
    static struct worker workers[WORKERS];
    struct problems *problems = problems_new();
    struct error err;
    (void)evthread_use_pthreads();
    upstream_global_init();
    if (snapshot_parse("f", slice_from(config), NULL, problems, &snapshot) != STATUS_OK) {
        problems_print(problems, stderr);
        return 2;
    }
    struct metrics *metrics = metrics_new(1);
    tokens = tokens_new(metrics_block(metrics, 3));
    if (tokens_adopt(tokens, snapshot, &err) != STATUS_OK) {
        return 2;
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        struct worker *worker = &workers[i];
        worker->good = true;
        if (loop_init(&worker->loop, &err) != STATUS_OK ||
            mailbox_new(&worker->loop, worker, &worker->mailbox, &err) != STATUS_OK) {
            return 2;
        }
        waiter_init(&worker->waiter, &worker->loop.ready, on_news);
        if (pthread_create(&threads[i], NULL, work, worker) != 0) {
            return 2;
        }
    }
    bool good = true;
    for (unsigned i = 0; i < WORKERS; i++) {
        (void)pthread_join(threads[i], NULL);
        good = good && workers[i].good && workers[i].had > 0;
    }
    tokens_free(tokens);
    metrics_free(metrics);
    snapshot_unref(snapshot);
    problems_free(problems);
    (void)printf("%u, %u and %u tokens\n", workers[0].had, workers[1].had, workers[2].had);
    return good ? 0 : 1;
}

/* tokens_show: what people see of tokens: age, and why there is none. Never what they are. */
#include "auth/secrets/secret_store.h"
#include "base/buffer.h"
#include "base/memory.h"
#include "gateway/tokens/tokens_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A token's age; names outlive the lock by a reference. */
struct age {
    struct credential *secret; /* ref */
    const char *grant;
    usec_t made;
};

struct ages {
    struct age *all; /* owned */
    size_t count;
};

/* Under the lock, which workers wait for: nothing is compared or written here. */
static struct ages gather(const struct tokens *tokens)
{
    struct ages ages = {.count = 0};
    ages.all = memory_alloc((tokens->count + 1) * sizeof(struct age));
    for (unsigned i = 0; i < TOKENS_BUCKETS; i++) {
        for (const struct token_entry *it = tokens->buckets[i]; it != NULL; it = it->next) {
            if (it->token != NULL && !it->of_subject) {
                assert(ages.count < tokens->count);
                ages.all[ages.count++] =
                    (struct age){credential_ref(it->secret), it->grant->name, it->made};
            }
        }
    }
    return ages;
}

static void free_ages(struct ages *ages)
{
    for (size_t i = 0; i < ages->count; i++) {
        credential_unref(ages->all[i].secret);
    }
    memory_free(ages->all);
}

static int compare_series(const struct age *a, const struct age *b)
{
    int names = strcmp(a->secret->name, b->secret->name);
    return names != 0 ? names : strcmp(a->grant, b->grant);
}

/* The youngest of a series first. */
static int compare(const void *left, const void *right)
{
    const struct age *a = left;
    const struct age *b = right;
    int series = compare_series(a, b);
    return series != 0 ? series : (a->made < b->made) - (a->made > b->made);
}

/* One line a credential and grant: the youngest of theirs. */
static enum status show(const struct ages *ages, usec_t now, struct buffer *out)
{
    qsort(ages->all, ages->count, sizeof(struct age), compare);
    TRY(buffer_append(out, SLICE("# HELP sallyport_credential_token_age_seconds Since the token "
                                 "that is sent for a secret was had.\n"
                                 "# TYPE sallyport_credential_token_age_seconds gauge\n")));
    for (size_t i = 0; i < ages->count; i++) {
        const struct age *it = &ages->all[i];
        usec_t age = now > it->made ? now - it->made : 0;
        if (i == 0 || compare_series(it - 1, it) != 0) {
            TRY(buffer_print(
                out,
                "sallyport_credential_token_age_seconds{credential=\"%s\",grant=\"%s\"} %lld\n",
                it->secret->name, it->grant, (long long)(age / SEC)));
        }
    }
    return STATUS_OK;
}

bool tokens_show_metrics(struct tokens *tokens, usec_t now, struct buffer *out)
{
    (void)pthread_mutex_lock(&tokens->lock);
    bool any = tokens->count > 0;
    struct ages ages = gather(tokens);
    (void)pthread_mutex_unlock(&tokens->lock);
    enum status status = any ? show(&ages, now, out) : STATUS_OK;
    free_ages(&ages);
    return status == STATUS_OK;
}

static enum status show_missing(const struct tokens *tokens, usec_t now, struct buffer *out)
{
    for (unsigned i = 0; i < TOKENS_BUCKETS; i++) {
        for (const struct token_entry *it = tokens->buckets[i]; it != NULL; it = it->next) {
            bool here = it->token != NULL && now < it->expires;
            if (!here && !it->of_subject && it->failures > 0) {
                TRY(buffer_print(out, "credential_unavailable: no token for secret %s: %s\n",
                                 it->secret->name, it->failure));
            }
        }
    }
    return STATUS_OK;
}

bool tokens_show_readiness(struct tokens *tokens, usec_t now, struct buffer *out)
{
    (void)pthread_mutex_lock(&tokens->lock);
    enum status status = show_missing(tokens, now, out);
    (void)pthread_mutex_unlock(&tokens->lock);
    return status == STATUS_OK;
}

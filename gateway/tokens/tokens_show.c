/* tokens_show: what people see of tokens: age, and why there is none. Never what they are. */
#include "auth/secrets/secret_store.h"
#include "base/buffer.h"
#include "gateway/tokens/tokens_state.h"

#include <string.h>

/* One line a credential and grant: the youngest of theirs. */
static const struct token_entry *younger(const struct tokens *tokens,
                                         const struct token_entry *entry)
{
    for (unsigned i = 0; i < TOKENS_BUCKETS; i++) {
        for (const struct token_entry *it = tokens->buckets[i]; it != NULL; it = it->next) {
            bool same = it->grant == entry->grant && it->token != NULL && !it->of_subject &&
                        strcmp(it->secret->name, entry->secret->name) == 0;
            if (same && (it->made > entry->made || (it->made == entry->made && it > entry))) {
                return it;
            }
        }
    }
    return NULL;
}

static enum status show(const struct tokens *tokens, usec_t now, struct buffer *out)
{
    TRY(buffer_append(out, SLICE("# HELP sallyport_credential_token_age_seconds Since the token "
                                 "that is sent for a secret was had.\n"
                                 "# TYPE sallyport_credential_token_age_seconds gauge\n")));
    for (unsigned i = 0; i < TOKENS_BUCKETS; i++) {
        for (const struct token_entry *it = tokens->buckets[i]; it != NULL; it = it->next) {
            if (it->token != NULL && !it->of_subject && younger(tokens, it) == NULL) {
                usec_t age = now > it->made ? now - it->made : 0;
                TRY(buffer_print(
                    out,
                    "sallyport_credential_token_age_seconds{credential=\"%s\",grant=\"%s\"} "
                    "%lld\n",
                    it->secret->name, it->grant->name, (long long)(age / SEC)));
            }
        }
    }
    return STATUS_OK;
}

bool tokens_show_metrics(struct tokens *tokens, usec_t now, struct buffer *out)
{
    (void)pthread_mutex_lock(&tokens->lock);
    enum status status = tokens->count == 0 ? STATUS_OK : show(tokens, now, out);
    (void)pthread_mutex_unlock(&tokens->lock);
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

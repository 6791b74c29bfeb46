/* token_table: the entries, found by rule and secret. */
#include "auth/secrets/secret_store.h"
#include "base/memory.h"
#include "base/secret.h"
#include "config/token.h"
#include "gateway/tokens/tokens_state.h"

#include <assert.h>
#include <string.h>

/* The ids are hashes already. */
static unsigned bucket_of(const struct token_ask *ask)
{
    uint64_t hash, of_subject;
    memcpy(&hash, ask->rule->plan.id, sizeof(hash));
    memcpy(&of_subject, ask->subject_id, sizeof(of_subject));
    hash ^= of_subject;
    for (const char *at = ask->secret->name; *at != '\0'; at++) {
        hash = (hash ^ (unsigned char)*at) * 0x100000001b3U;
    }
    return (unsigned)(hash >> 32) % TOKENS_BUCKETS;
}

static bool is_of(const struct token_entry *entry, const struct token_ask *ask)
{
    return memcmp(entry->plan_id, ask->rule->plan.id, TOKEN_PLAN_ID_BYTES) == 0 &&
           memcmp(entry->subject_id, ask->subject_id, SHA256_BYTES) == 0 &&
           strcmp(entry->secret->name, ask->secret->name) == 0;
}

/* The same version, as a rule; after a reload the numbers may have begun anew. */
static bool same_value(const struct credential *a, const struct credential *b)
{
    return a == b || secret_equal(secret_reveal(a->secret), secret_reveal(b->secret));
}

struct token_entry *token_table_find(struct tokens *tokens, const struct token_ask *ask)
{
    struct token_entry *entry = tokens->buckets[bucket_of(ask)];
    while (entry != NULL && !(is_of(entry, ask) && same_value(entry->secret, ask->secret))) {
        entry = entry->next;
    }
    return entry;
}

void token_entry_free(struct token_entry *entry)
{
    assert(entry->waits == NULL);
    credential_unref(entry->token);
    credential_unref(entry->secret);
    memory_free(entry);
}

static bool in_use(const struct token_entry *entry)
{
    return entry->fetching || entry->waits != NULL;
}

/* Out of the table; one that is fetched lives until that has ended. */
static void drop(struct tokens *tokens, struct token_entry **place)
{
    struct token_entry *entry = *place;
    *place = entry->next;
    tokens->count--;
    if (in_use(entry)) {
        entry->gone = true;
    } else {
        token_entry_free(entry);
    }
}

static void drop_older(struct tokens *tokens, const struct token_ask *ask, unsigned bucket)
{
    struct token_entry **place = &tokens->buckets[bucket];
    while (*place != NULL) {
        if (is_of(*place, ask) && (*place)->secret->version < ask->secret->version) {
            drop(tokens, place);
        } else {
            place = &(*place)->next;
        }
    }
}

static bool make_room(struct tokens *tokens)
{
    struct token_entry **oldest = NULL;
    for (unsigned i = 0; i < TOKENS_BUCKETS; i++) {
        for (struct token_entry **at = &tokens->buckets[i]; *at != NULL; at = &(*at)->next) {
            if (!in_use(*at) && (oldest == NULL || (*at)->used < (*oldest)->used)) {
                oldest = at;
            }
        }
    }
    if (oldest != NULL) {
        drop(tokens, oldest);
    }
    return oldest != NULL;
}

struct token_entry *token_table_add(struct tokens *tokens, const struct token_ask *ask)
{
    unsigned bucket = bucket_of(ask);
    drop_older(tokens, ask, bucket);
    if (tokens->count >= TOKENS_MAX && !make_room(tokens)) {
        return NULL;
    }
    struct token_entry *entry = MEMORY_NEW(struct token_entry);
    memcpy(entry->plan_id, ask->rule->plan.id, TOKEN_PLAN_ID_BYTES);
    memcpy(entry->subject_id, ask->subject_id, SHA256_BYTES);
    entry->of_subject = ask->subject.len > 0;
    entry->grant = ask->rule->plan.grant;
    entry->secret = credential_ref(ask->secret);
    entry->next = tokens->buckets[bucket];
    tokens->buckets[bucket] = entry;
    tokens->count++;
    return entry;
}

#include "limiter/store_redis.h"

#include "base/digest.h"
#include "base/encode.h"
#include "base/memory.h"
#include "base/secret.h"
#include "limiter/store_redis_state.h"

#include <stdio.h>
#include <string.h>

#include <openssl/ssl.h>

static char *copy_text(const char *text)
{
    return text == NULL ? NULL : memory_copy(slice_from(text));
}

static void copy_address(const struct redis_address *from, struct redis_address *to)
{
    *to = *from;
    to->url_shown = copy_text(from->url_shown);
    to->host = copy_text(from->host);
    to->unix_path = copy_text(from->unix_path);
    to->user = copy_text(from->user);
    to->password = copy_text(from->password);
    to->ca = copy_text(from->ca);
}

static void free_text(const char *text)
{
    char *own;
    memcpy(&own, &text, sizeof(own)); /* ours, though const for all others */
    if (own != NULL) {
        secret_wipe(own, strlen(own));
    }
    memory_free(own);
}

static void free_address(struct redis_address *address)
{
    free_text(address->url_shown);
    free_text(address->host);
    free_text(address->unix_path);
    free_text(address->user);
    free_text(address->password);
    free_text(address->ca);
}

static void random_name(char out[17])
{
    unsigned char random[8];
    random_bytes(random, sizeof(random));
    encode_hex(slice_make((const char *)random, sizeof(random)), out);
    out[16] = '\0';
}

enum status store_redis_new(const struct store_redis_settings *settings, struct store_redis **ret,
                            struct error *err)
{
    struct ssl_ctx_st *tls = NULL;
    TRY(redis_tls_new(&settings->address, &tls, err));
    struct store_redis *store = MEMORY_NEW(struct store_redis);
    store->settings = *settings;
    store->tls = tls;
    copy_address(&settings->address, &store->address);
    store->name = copy_text(settings->name);
    store->scripts = redis_scripts_new();
    store->shares = local_shares_new(&settings->clock, settings->gateways);
    local_shares_set_away(store->shares, true);
    random_name(store->facts.gateway);
    (void)pthread_mutex_init(&store->lock, NULL);
    atomic_store(&store->facts_version, 1);
    *ret = store;
    return STATUS_OK;
}

void store_redis_free(struct store_redis *store)
{
    if (store == NULL) {
        return;
    }
    local_shares_free(store->shares);
    redis_scripts_free(store->scripts);
    SSL_CTX_free(store->tls);
    free_address(&store->address);
    memory_free(store->name);
    (void)pthread_mutex_destroy(&store->lock);
    memory_free(store);
}

struct local_shares *store_redis_shares(struct store_redis *store)
{
    return store->shares;
}

/* ---- news ---- */

void store_redis_say(struct store_redis *store, enum store_news kind, const char *text)
{
    if (store->settings.ears.news != NULL) {
        store->settings.ears.news(store->settings.ears.ctx, kind, text);
    }
}

void store_redis_note_up(struct store_redis *store)
{
    char text[300];
    local_shares_set_away(store->shares, false);
    if (atomic_fetch_add(&store->sides_up, 1) == 0) {
        atomic_store(&store->said_down, false);
        (void)snprintf(text, sizeof(text), "%s answers", store->address.url_shown);
        store_redis_say(store, STORE_CAME_UP, text);
    }
}

void store_redis_note_away(struct store_redis *store, const char *why, bool was_up)
{
    char text[400];
    bool last = was_up && atomic_fetch_sub(&store->sides_up, 1) == 1;
    if (!last && atomic_load(&store->sides_up) > 0) {
        return; /* others still reach it */
    }
    local_shares_set_away(store->shares, true);
    if (!atomic_exchange(&store->said_down, true)) {
        (void)snprintf(text, sizeof(text), "%s; quotas follow on_failure until it is back", why);
        store_redis_say(store, STORE_WENT_DOWN, text);
    }
}

void store_redis_note_policy(struct store_redis *store, struct slice policy)
{
    char text[300];
    (void)pthread_mutex_lock(&store->lock);
    bool first = !store->said_policy;
    store->said_policy = true;
    (void)pthread_mutex_unlock(&store->lock);
    if (first) {
        (void)snprintf(text, sizeof(text),
                       "%s may throw counts away (maxmemory-policy %.*s): set it to noeviction",
                       store->address.url_shown, policy.len > 40 ? 40 : (int)policy.len,
                       policy.ptr);
        store_redis_say(store, STORE_WARNING, text);
    }
}

/* ---- facts ---- */

void store_redis_refresh(struct store_redis_side *side)
{
    struct store_redis *store = side->store;
    unsigned version = atomic_load_explicit(&store->facts_version, memory_order_acquire);
    if (version != side->facts_version) {
        side->facts_version = version;
        (void)pthread_mutex_lock(&store->lock);
        memcpy(side->ns.gateway, store->facts.gateway, sizeof(side->ns.gateway));
        memcpy(side->ns.epoch, store->facts.epoch, sizeof(side->ns.epoch));
        side->ns.has_beaten = store->facts.has_beaten;
        side->offset_ms = store->facts.offset_ms;
        (void)pthread_mutex_unlock(&store->lock);
    }
    side->ns.wall_ms = store->settings.clock.wall() / MSEC + side->offset_ms;
}

/* Under the lock: true if something of it is new. */
static bool take_in(struct store_redis *store, const struct redis_answer *answer, int64_t offset_ms,
                    bool *ret_lost)
{
    struct store_facts *facts = &store->facts;
    bool changed = false;
    *ret_lost = false;
    if (answer->epoch[0] != '\0' && strcmp(facts->epoch, answer->epoch) != 0) {
        *ret_lost = facts->epoch[0] != '\0';
        memcpy(facts->epoch, answer->epoch, sizeof(facts->epoch));
        changed = true;
    }
    int64_t drift = offset_ms - facts->offset_ms;
    if (drift > 20 || drift < -20 || answer->clock_off) {
        facts->offset_ms = offset_ms;
        changed = true;
    }
    if (answer->declared_dead) {
        random_name(facts->gateway);
        facts->has_beaten = false;
        changed = true;
    } else if (answer->gateways > 0 && !facts->has_beaten) {
        facts->has_beaten = true;
        changed = true;
    }
    return changed;
}

void store_redis_learn(struct store_redis_side *side, const struct redis_answer *answer)
{
    struct store_redis *store = side->store;
    int64_t offset_ms = answer->server_ms - store->settings.clock.wall() / MSEC;
    bool lost = false;
    if (answer->gateways == 0 && !answer->clock_off && !answer->data_lost &&
        side->ns.epoch[0] != '\0') {
        return; /* an ordinary verdict tells nothing new */
    }
    (void)pthread_mutex_lock(&store->lock);
    if (take_in(store, answer, offset_ms, &lost)) {
        (void)atomic_fetch_add_explicit(&store->facts_version, 1, memory_order_release);
    }
    (void)pthread_mutex_unlock(&store->lock);
    if (lost) {
        char text[300];
        (void)snprintf(text, sizeof(text),
                       "%s has lost its data: what was used is forgotten, windows begin anew",
                       store->address.url_shown);
        store_redis_say(store, STORE_LOST_DATA, text);
    }
    store_redis_refresh(side);
}

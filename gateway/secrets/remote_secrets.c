#include "gateway/secrets/remote_secrets.h"

#include "auth/secrets/secret_store.h"
#include "base/memory.h"
#include "base/secret.h"
#include "config/remote_store.h"
#include "config/snapshot.h"
#include "gateway/observe/families.h"
#include "gateway/observe/helper_thread.h"
#include "gateway/observe/log.h"
#include "gateway/secrets/remote_state.h"
#include "gateway/upstream/attempt.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- what is known ---- */

/* Under the lock. */
static struct remote_source *find_source(const struct remote_secrets *remote, const char *id)
{
    struct remote_source *source = remote->sources;
    while (source != NULL && (source->gone || strcmp(source->id, id) != 0)) {
        source = source->next;
    }
    return source;
}

static void on_timer(struct timer *timer);
static void on_ask(struct letter *letter, void *receiver);

static struct remote_entry *add_entry(struct remote_source *source, const char *name)
{
    struct remote_entry *entry = MEMORY_NEW(struct remote_entry);
    entry->letter.run = on_ask;
    entry->source = source;
    entry->name = memory_copy(slice_from(name));
    entry->idle = true;
    timer_init(&entry->timer, on_timer);
    entry->sibling = source->entries;
    source->entries = entry;
    (void)table_add(&source->names, slice_from(entry->name), entry);
    return entry;
}

static enum secret_known tell(const struct remote_entry *entry, struct secret_known_value *ret,
                              struct error *err)
{
    if (entry->generation == 0) {
        return SECRET_NOT_KNOWN;
    }
    if (entry->known == SECRET_FAILS) {
        *err = entry->err;
    }
    if (entry->known == SECRET_KNOWN) {
        ret->secret = secret_new(secret_reveal(entry->secret));
        ret->at = entry->at;
        ret->max_stale = entry->source->max_stale;
        memcpy(ret->version, entry->version, sizeof(ret->version));
    }
    return entry->known;
}

static enum secret_known ask_locked(struct remote_secrets *remote, struct remote_source *source,
                                    const char *name, bool anew, struct secret_known_value *ret,
                                    struct error *err)
{
    struct remote_entry *entry = table_get(&source->names, slice_from(name));
    if (entry == NULL) {
        entry = add_entry(source, name);
    }
    entry->asked = clock_now();
    if ((entry->idle || anew) && !entry->posted) {
        entry->idle = false;
        entry->posted = true;
        mailbox_post(remote->mailbox, &entry->letter);
    }
    return tell(entry, ret, err);
}

static enum secret_known ask(void *ctx, const char *id, const char *name, bool anew,
                             struct secret_known_value *ret, struct error *err)
{
    struct remote_secrets *remote = ctx;
    enum secret_known known = SECRET_NOT_KNOWN;
    (void)pthread_mutex_lock(&remote->lock);
    struct remote_source *source = find_source(remote, id);
    /* Until its own secret is found, or known to be missing, it is not asked. */
    if (source != NULL &&
        (source->credential == NULL || !secret_slot_pending(source->credential))) {
        known = ask_locked(remote, source, name, anew, ret, err);
    }
    (void)pthread_mutex_unlock(&remote->lock);
    return known;
}

static uint64_t stamp(void *ctx, const char *id, const char *name)
{
    struct remote_secrets *remote = ctx;
    (void)pthread_mutex_lock(&remote->lock);
    const struct remote_source *source = find_source(remote, id);
    const struct remote_entry *entry =
        source == NULL ? NULL : table_get(&source->names, slice_from(name));
    uint64_t generation = entry == NULL ? 0 : entry->generation;
    (void)pthread_mutex_unlock(&remote->lock);
    return generation;
}

static const struct secret_remote_ops ops = {.ask = ask, .stamp = stamp};

static void take_result(struct remote_entry *entry, const struct remote_result *result, usec_t now)
{
    if (result->known != SECRET_FAILS) {
        secret_free(entry->secret);
        entry->secret = result->take_secret;
        entry->at = now;
        (void)snprintf(entry->version, sizeof(entry->version), "%s",
                       result->version == NULL ? "" : result->version);
    } else {
        (void)error_set(&entry->err, STATUS_UNAVAILABLE, __FILE__, __LINE__, "%s %s",
                        entry->source->store->plan.where, result->failure);
    }
    entry->known = result->known;
}

static const char *result_name(enum secret_known known)
{
    return known == SECRET_KNOWN ? "read" : known == SECRET_ABSENT ? "absent" : "failed";
}

/* The thread's. */
static void tell_news(struct remote_secrets *remote)
{
    if (remote->news.tell != NULL && !atomic_exchange(&remote->told, true)) {
        remote->news.tell(remote->news.ctx);
    }
}

void remote_entry_settle(struct remote_entry *entry, const struct remote_result *result)
{
    struct remote_secrets *remote = entry->source->remote;
    const char *const labels[] = {entry->source->store->type, result_name(result->known)};
    (void)pthread_mutex_lock(&remote->lock);
    take_result(entry, result, remote->loop.now);
    entry->generation = ++remote->generation;
    (void)pthread_cond_broadcast(&remote->changed);
    (void)pthread_mutex_unlock(&remote->lock);
    if (remote->metrics != NULL) {
        metrics_count(remote->metrics, FAMILY_secret_refreshes_total, labels, 1);
    }
    tell_news(remote);
}

void remote_secrets_heard(struct remote_secrets *remote)
{
    atomic_store(&remote->told, false);
}

/* ---- the thread's ---- */

/* True: nobody has asked for long: it is forgotten, and read when it is asked for. */
static bool forget(struct remote_entry *entry)
{
    struct remote_secrets *remote = entry->source->remote;
    (void)pthread_mutex_lock(&remote->lock);
    bool idle = !entry->posted && remote->loop.now - entry->asked > REMOTE_FORGET;
    if (idle) {
        entry->idle = true;
        entry->generation = 0;
        secret_free(TAKE(entry->secret));
    }
    (void)pthread_mutex_unlock(&remote->lock);
    return idle;
}

static void on_timer(struct timer *timer)
{
    struct remote_entry *entry =
        (struct remote_entry *)((char *)timer - offsetof(struct remote_entry, timer));
    if (!forget(entry)) {
        remote_source_want(entry);
    }
}

static void on_ask(struct letter *letter, void *receiver)
{
    struct remote_entry *entry = (struct remote_entry *)letter;
    struct remote_secrets *remote = receiver;
    (void)pthread_mutex_lock(&remote->lock);
    entry->posted = false;
    (void)pthread_mutex_unlock(&remote->lock);
    if (!remote->stopping) {
        remote_source_want(entry);
    }
}

static void free_source(struct remote_source *source)
{
    while (source->entries != NULL) {
        struct remote_entry *entry = source->entries;
        source->entries = entry->sibling;
        secret_free(entry->secret);
        memory_free(entry->name);
        memory_free(entry);
    }
    table_fini(&source->names);
    secret_slot_unref(source->credential);
    memory_free(source->id);
    memory_free(source);
}

/* Takes one that no config has any more out of the list; NULL: there is none (left). */
static struct remote_source *take_gone(struct remote_secrets *remote)
{
    (void)pthread_mutex_lock(&remote->lock);
    struct remote_source **link = &remote->sources;
    while (*link != NULL && !(*link)->gone) {
        link = &(*link)->next;
    }
    struct remote_source *source = *link;
    if (source != NULL) {
        *link = source->next;
    }
    (void)pthread_mutex_unlock(&remote->lock);
    return source;
}

struct adopt_letter {
    struct letter letter;      /* first: see on_adopt() */
    struct snapshot *snapshot; /* ref */
};

static void adopt_one(struct remote_secrets *remote, struct snapshot *snapshot,
                      const struct remote_store *store)
{
    (void)pthread_mutex_lock(&remote->lock);
    struct remote_source *source = find_source(remote, store->plan.id);
    (void)pthread_mutex_unlock(&remote->lock);
    if (source != NULL) {
        remote_source_adopt(source, snapshot_ref(snapshot), store);
    }
}

static void on_adopt(struct letter *letter, void *receiver)
{
    struct remote_secrets *remote = receiver;
    struct adopt_letter *adopt = (struct adopt_letter *)letter;
    struct remote_source *source;
    if (!remote->stopping) {
        upstream_side_close_idle(remote->upstreams); /* certificates may be new */
        while ((source = take_gone(remote)) != NULL) {
            remote_source_cancel(source);
            free_source(source);
        }
        for (unsigned i = 0; i < adopt->snapshot->secret_source_count; i++) {
            if (adopt->snapshot->remote_stores[i] != NULL) {
                adopt_one(remote, adopt->snapshot, adopt->snapshot->remote_stores[i]);
            }
        }
    }
    snapshot_unref(adopt->snapshot);
    memory_free(adopt);
}

static void *thread_main(void *ctx)
{
    struct remote_secrets *remote = ctx;
    (void)pthread_setname_np(pthread_self(), "secrets");
    loop_run(&remote->loop);
    return NULL;
}

/* ---- the main thread's ---- */

struct remote_secrets *remote_secrets_new(struct metrics_block *metrics, struct remote_news news)
{
    struct remote_secrets *remote = MEMORY_NEW(struct remote_secrets);
    remote->metrics = metrics;
    remote->news = news;
    (void)pthread_mutex_init(&remote->lock, NULL);
    helper_thread_init_news(&remote->changed);
    return remote;
}

static enum status start(struct remote_secrets *remote, struct error *err)
{
    TRY(loop_init(&remote->loop, err));
    enum status status = mailbox_new(&remote->loop, remote, &remote->mailbox, err);
    if (status != STATUS_OK) {
        loop_fini(&remote->loop);
        return status;
    }
    remote->upstreams = upstream_side_new(&remote->loop);
    int failed = helper_thread_start(&remote->thread, thread_main, remote);
    if (failed != 0) {
        mailbox_free(TAKE(remote->mailbox));
        upstream_side_free(TAKE(remote->upstreams));
        loop_fini(&remote->loop);
        FAIL(err, STATUS_UNAVAILABLE, "cannot start the thread that asks for secrets: %s",
             strerrordesc_np(failed));
    }
    remote->started = true;
    return STATUS_OK;
}

enum status remote_secrets_prepare(struct remote_secrets *remote, const struct snapshot *snapshot,
                                   struct error *err)
{
    bool wanted = false;
    for (unsigned i = 0; i < snapshot->secret_source_count; i++) {
        wanted = wanted || snapshot->remote_stores[i] != NULL;
    }
    return wanted && !remote->started ? start(remote, err) : STATUS_OK;
}

/* The one that is set alike, or a new one. */
static struct remote_source *join_source(struct remote_secrets *remote,
                                         const struct remote_store *store)
{
    struct remote_source *source = find_source(remote, store->plan.id);
    if (source == NULL) {
        source = MEMORY_NEW(struct remote_source);
        source->remote = remote;
        source->id = memory_copy(slice_from(store->plan.id));
        remote_source_init(source);
        source->next = remote->sources;
        remote->sources = source;
    }
    source->kept = true;
    source->max_stale = store->plan.max_stale;
    return source;
}

static void set_sources(struct remote_secrets *remote, const struct snapshot *snapshot,
                        struct secret_store *store)
{
    for (unsigned i = 0; i < snapshot->secret_source_count; i++) {
        const struct remote_store *one = snapshot->remote_stores[i];
        if (one == NULL) {
            continue;
        }
        struct secret_slot *slot =
            one->plan.credential == NULL
                ? NULL
                : secret_slot_ref_above(store, one->plan.credential, one->above);
        (void)pthread_mutex_lock(&remote->lock);
        struct remote_source *source = join_source(remote, one);
        struct secret_slot *old = source->credential;
        source->credential = slot;
        (void)pthread_mutex_unlock(&remote->lock);
        secret_slot_unref(old);
    }
    (void)pthread_mutex_lock(&remote->lock);
    for (struct remote_source *it = remote->sources; it != NULL; it = it->next) {
        it->gone = !it->kept;
        it->kept = false;
    }
    (void)pthread_mutex_unlock(&remote->lock);
}

void remote_secrets_adopt(struct remote_secrets *remote, struct snapshot *snapshot,
                          struct secret_store *store)
{
    secret_store_set_remote(store, &ops, remote);
    secret_store_set_sources(store, snapshot->secret_sources, snapshot->secret_source_count);
    if (!remote->started) {
        return;
    }
    set_sources(remote, snapshot, store);
    struct adopt_letter *adopt = MEMORY_NEW(struct adopt_letter);
    adopt->letter.run = on_adopt;
    adopt->snapshot = snapshot_ref(snapshot);
    mailbox_post(remote->mailbox, &adopt->letter);
}

/* False: the time is over. */
static bool wait_for_news(struct remote_secrets *remote, uint64_t seen, usec_t until)
{
    struct timespec end = {.tv_sec = until / SEC, .tv_nsec = until % SEC * 1000};
    int result = 0;
    (void)pthread_mutex_lock(&remote->lock);
    while (remote->generation == seen && result == 0) {
        result = pthread_cond_timedwait(&remote->changed, &remote->lock, &end);
    }
    (void)pthread_mutex_unlock(&remote->lock);
    return result == 0;
}

void remote_secrets_wait(struct remote_secrets *remote, struct secret_store *store, usec_t most,
                         void (*report)(void *ctx, const struct secret_news *news), void *ctx)
{
    usec_t until = clock_now() + most;
    uint64_t seen = 0;
    do {
        (void)pthread_mutex_lock(&remote->lock);
        seen = remote->generation;
        (void)pthread_mutex_unlock(&remote->lock);
        secret_store_refresh(store, clock_now(), report, ctx);
    } while (remote->started && secret_store_pending(store) != NULL &&
             wait_for_news(remote, seen, until));
}

static void on_stop(struct letter *letter, void *receiver)
{
    struct remote_secrets *remote = receiver;
    remote->stopping = true;
    for (struct remote_source *it = remote->sources; it != NULL; it = it->next) {
        remote_source_cancel(it);
    }
    loop_stop(&remote->loop);
    memory_free(letter);
}

void remote_secrets_free(struct remote_secrets *remote)
{
    if (remote == NULL) {
        return;
    }
    if (remote->started) {
        struct letter *letter = MEMORY_NEW(struct letter);
        letter->run = on_stop;
        mailbox_post(remote->mailbox, letter);
        (void)pthread_join(remote->thread, NULL);
        mailbox_free(remote->mailbox); /* what was posted behind it comes to nothing */
        upstream_side_free(remote->upstreams);
        loop_fini(&remote->loop);
    }
    while (remote->sources != NULL) {
        struct remote_source *source = remote->sources;
        remote->sources = source->next;
        free_source(source);
    }
    (void)pthread_cond_destroy(&remote->changed);
    (void)pthread_mutex_destroy(&remote->lock);
    memory_free(remote);
}

void remote_secrets_look_up(struct snapshot *snapshot, struct secret_store *store,
                            void (*report)(void *ctx, const struct secret_news *news), void *ctx)
{
    struct error err;
    struct remote_secrets *remote = remote_secrets_new(NULL, (struct remote_news){0});
    upstream_global_init();
    if (remote_secrets_prepare(remote, snapshot, &err) != STATUS_OK) {
        log_error("%s", err.message);
    }
    remote_secrets_adopt(remote, snapshot, store);
    remote_secrets_wait(remote, store, REMOTE_START_WAIT, report, ctx);
    secret_store_set_remote(store, NULL, NULL);
    remote_secrets_free(remote);
}

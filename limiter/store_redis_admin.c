/* store_redis_admin: reading and changing counts for an operator, on a link of its own. */
#include "base/memory.h"
#include "limiter/redis_link_call.h"
#include "limiter/store_redis_state.h"

#include <string.h>

#define ADMIN_TIMEOUT SEC

struct store_redis_admin {
    struct store_redis *store; /* borrowed */
    struct redis_call *call;   /* owned */
    struct redis_namespace ns;
};

/* What became of one command. */
struct outcome {
    enum redis_reply_kind kind;
    char text[256];
    size_t len;
};

static void ignore(void *ctx, const struct redis_reply *reply)
{
    (void)ctx;
    (void)reply;
}

static void note(void *ctx, const struct redis_reply *reply)
{
    struct outcome *outcome = ctx;
    outcome->kind = reply->kind;
    outcome->len = reply->text.len < sizeof(outcome->text) ? reply->text.len : 0;
    if (outcome->len > 0) {
        memcpy(outcome->text, reply->text.ptr, outcome->len);
    }
}

/* The process's facts: the epoch, and the server's clock. */
static void fill_namespace(struct store_redis *store, struct redis_namespace *ns)
{
    (void)pthread_mutex_lock(&store->lock);
    memcpy(ns->gateway, store->facts.gateway, sizeof(ns->gateway));
    memcpy(ns->epoch, store->facts.epoch, sizeof(ns->epoch));
    ns->wall_ms = store->settings.clock.wall() / MSEC + store->facts.offset_ms;
    (void)pthread_mutex_unlock(&store->lock);
    ns->scripts = store->scripts;
    redis_namespace_name(ns, store->name);
}

static enum status load_scripts(struct store_redis_admin *admin, struct error *err)
{
    if (redis_scripts_load(admin->store->scripts, redis_call_output(admin->call)) != STATUS_OK) {
        FAIL(err, STATUS_UNAVAILABLE, "the scripts are larger than the link's buffer");
    }
    return redis_call_run(admin->call, SCRIPTS, ignore, NULL, err);
}

enum status store_redis_admin_open(struct store_redis *store, struct store_redis_admin **ret,
                                   struct error *err)
{
    struct store_redis_admin *admin = MEMORY_NEW(struct store_redis_admin);
    const struct redis_call_settings settings = {
        .address = &store->address,
        .tls = store->tls,
        .now = store->settings.clock.now,
        .timeout = ADMIN_TIMEOUT,
    };
    admin->store = store;
    fill_namespace(store, &admin->ns);
    enum status status = redis_call_open(&settings, &admin->call, err);
    if (status == STATUS_OK) {
        status = load_scripts(admin, err);
    }
    if (status != STATUS_OK) {
        store_redis_admin_close(admin);
        return status;
    }
    *ret = admin;
    return STATUS_OK;
}

void store_redis_admin_close(struct store_redis_admin *admin)
{
    if (admin != NULL) {
        redis_call_close(admin->call);
        memory_free(admin);
    }
}

/* The reply of the one command that was written. */
static enum status run(struct store_redis_admin *admin, enum status written,
                       struct outcome *outcome, struct error *err)
{
    if (written != STATUS_OK) {
        FAIL(err, STATUS_UNAVAILABLE, "the link's buffer is full");
    }
    TRY(redis_call_run(admin->call, 1, note, outcome, err));
    if (outcome->kind == REDIS_ERROR) {
        FAIL(err, STATUS_UNAVAILABLE, "%s says: %.*s", admin->store->address.url_shown,
             (int)outcome->len, outcome->text);
    }
    return STATUS_OK;
}

enum status store_redis_admin_read(struct store_redis_admin *admin, const struct limit *limit,
                                   struct slice key, const char *tenant, struct store_entry *ret,
                                   struct error *err)
{
    struct outcome outcome = {0};
    enum status written =
        redis_write_read(&admin->ns, limit, key, tenant, redis_call_output(admin->call));
    TRY(run(admin, written, &outcome, err));
    TRY(redis_read_entry(slice_make(outcome.text, outcome.len), limit, ret, err));
    ret->key = key;
    return STATUS_OK;
}

static enum status change(struct store_redis_admin *admin, enum redis_change kind,
                          const struct limit *limit, struct slice key, uint64_t amount,
                          struct error *err)
{
    struct outcome outcome = {0};
    enum status written =
        redis_write_change(&admin->ns, kind, limit, key, amount, redis_call_output(admin->call));
    return run(admin, written, &outcome, err);
}

enum status store_redis_admin_reset(struct store_redis_admin *admin, const struct limit *limit,
                                    struct slice key, struct error *err)
{
    return change(admin, REDIS_RESET, limit, key, 0, err);
}

enum status store_redis_admin_raise(struct store_redis_admin *admin, const struct limit *limit,
                                    struct slice key, uint64_t amount, struct error *err)
{
    return change(admin, REDIS_RAISE, limit, key, amount, err);
}

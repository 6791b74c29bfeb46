#include "gateway/config_secret.h"

#include "auth/secrets/secret_store.h"
#include "base/clock.h"
#include "base/secret.h"
#include "config/snapshot.h"
#include "gateway/secrets/remote_secrets.h"

static void free_store(struct secret_store **store)
{
    secret_store_free(*store);
}

enum status config_secret_read(const struct snapshot *snapshot, const char *name,
                               struct secret **ret, struct error *err)
{
    CLEANUP(free_store) struct secret_store *store = secret_store_new();
    struct secret_slot *slot = secret_slot_ref(store, name);
    /* It is only counted. */
    remote_secrets_look_up((struct snapshot *)snapshot, store, NULL, NULL);
    struct credential *credential = credential_acquire(slot);
    if (credential != NULL) {
        *ret = secret_new(secret_reveal(credential->secret));
    }
    credential_unref(credential);
    secret_slot_unref(slot);
    if (credential == NULL) {
        FAIL(err, STATUS_UNAVAILABLE,
             "the secret \"%s\" cannot be read here: is this command run as who may, with the "
             "gateway's environment?",
             name);
    }
    return STATUS_OK;
}

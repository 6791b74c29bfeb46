#include "gateway/secrets_rekey.h"

#include "auth/secrets/sealed_file.h"
#include "auth/secrets/small_file.h"
#include "base/secret.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

static enum status name_next(const char *key_file, char out[PATH_MAX], struct error *err)
{
    int len = snprintf(out, PATH_MAX, "%s.next", key_file);
    if (len < 0 || len >= PATH_MAX) {
        FAIL(err, STATUS_INVALID, "the path of the key file is too long");
    }
    return STATUS_OK;
}

/* The last step: until then the sealed file opens with the new key where it lies. */
static enum status move_next(const char *next, const char *key_file, struct error *err)
{
    if (rename(next, key_file) != 0) {
        FAIL(err, STATUS_UNAVAILABLE,
             "%s: cannot be renamed to %s: %s; the file is sealed with it, keep it", next, key_file,
             strerrordesc_np(errno));
    }
    return STATUS_OK;
}

static enum status renew_key(const struct rekey *rekey, struct sealed_file *file, struct error *err)
{
    char next[PATH_MAX];
    if (sealed_file_kind(file) == SEALED_BY_PASSPHRASE) {
        FAIL(err, STATUS_INVALID,
             "%s is sealed with a passphrase; say --new-passphrase-file or --new-key-file",
             rekey->file);
    }
    TRY(name_next(rekey->key_file, next, err));
    TRY(small_file_new_key(next, err));
    TRY(sealed_file_rekey(file, next, SEALED_BY_KEY, err));
    TRY(sealed_file_save(file, err));
    return move_next(next, rekey->key_file, err);
}

static enum status take_passphrase(const struct rekey *rekey, struct sealed_file *file,
                                   struct error *err)
{
    if (rekey->passphrase != NULL) {
        TRY(small_file_replace(rekey->new_passphrase_file, secret_reveal(rekey->passphrase), err));
    }
    TRY(sealed_file_rekey(file, rekey->new_passphrase_file, SEALED_BY_PASSPHRASE, err));
    return sealed_file_save(file, err);
}

static enum status take_key(const struct rekey *rekey, struct sealed_file *file, struct error *err)
{
    TRY(sealed_key_ensure(rekey->new_key_file, err));
    TRY(sealed_file_rekey(file, rekey->new_key_file, SEALED_BY_KEY, err));
    return sealed_file_save(file, err);
}

/* What an earlier one that was cut off has left undone. */
static enum status finish_earlier(const struct rekey *rekey, const struct sealed_file *file,
                                  struct error *err)
{
    char next[PATH_MAX];
    if (!sealed_file_opened_by_next(file)) {
        return STATUS_OK;
    }
    TRY(name_next(rekey->key_file, next, err));
    return move_next(next, rekey->key_file, err);
}

enum status secrets_rekey(const struct rekey *rekey, struct error *err)
{
    struct sealed_file *file = NULL;
    TRY(sealed_file_open(rekey->file, rekey->key_file, SEALED_ABSENT_IS_ERROR, &file, err));
    enum status status = finish_earlier(rekey, file, err);
    if (status == STATUS_OK) {
        status = rekey->new_passphrase_file != NULL ? take_passphrase(rekey, file, err)
                 : rekey->new_key_file != NULL      ? take_key(rekey, file, err)
                                                    : renew_key(rekey, file, err);
    }
    sealed_file_free(file);
    return status;
}

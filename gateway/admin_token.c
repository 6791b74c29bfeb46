#include "gateway/admin_token.h"

#include "auth/secrets/small_file.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/secret.h"

enum {
    TOKEN_RANDOM_BYTES = 32,
    TOKEN_LEN = 2 * TOKEN_RANDOM_BYTES, /* as hex */
    TOKEN_FILE_MAX = 1024,
    TOKEN_LEN_MIN = 32, /* one that was written by hand */
};

enum status admin_token_read(const char *path, struct secret **ret, struct error *err)
{
    CLEANUP(secret_free_at) struct secret *file = NULL;
    enum status status = small_file_read(path, TOKEN_FILE_MAX, &file, NULL, err);
    if (status != STATUS_OK) {
        error_prefix(err, "admin.token_file");
        return status;
    }
    struct slice text = secret_reveal(file);
    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r')) {
        text.len--;
    }
    if (text.len < TOKEN_LEN_MIN) {
        FAIL(err, STATUS_INVALID,
             "admin.token_file: %s has a token of less than %d characters; remove the file, and a "
             "new one is made",
             path, TOKEN_LEN_MIN);
    }
    *ret = secret_new(text);
    return STATUS_OK;
}

static enum status make(const char *path, struct error *err)
{
    unsigned char random[TOKEN_RANDOM_BYTES];
    char text[TOKEN_LEN + 1];
    random_bytes(random, sizeof(random));
    encode_hex(slice_make((const char *)random, sizeof(random)), text);
    text[TOKEN_LEN] = '\n';
    enum status status = small_file_replace(path, slice_make(text, sizeof(text)), err);
    secret_wipe(random, sizeof(random));
    secret_wipe(text, sizeof(text));
    if (status != STATUS_OK) {
        error_prefix(err, "admin.token_file");
    }
    return status;
}

enum status admin_token_open(const char *path, struct secret **ret, struct error *err)
{
    enum status status = admin_token_read(path, ret, err);
    if (status == STATUS_NOT_FOUND) {
        TRY(make(path, err));
        return admin_token_read(path, ret, err);
    }
    return status;
}

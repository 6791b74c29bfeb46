#include "gateway/admin_token.h"

#include "auth/secrets/small_file.h"
#include "base/secret.h"

enum { TOKEN_FILE_MAX = 1024 };

enum status admin_token_read(const char *path, struct secret **ret, struct error *err)
{
    CLEANUP(secret_free_at) struct secret *file = NULL;
    enum status status = small_file_read(path, TOKEN_FILE_MAX, &file, NULL, err);
    if (status == STATUS_NOT_FOUND) {
        FAIL(err, STATUS_NOT_FOUND,
             "admin.token_file: %s: no such file; the gateway makes it at its start", path);
    }
    if (status != STATUS_OK) {
        error_prefix(err, "admin.token_file");
        return status;
    }
    struct slice text = secret_reveal(file);
    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r')) {
        text.len--;
    }
    if (text.len < ADMIN_TOKEN_LEN_MIN) {
        FAIL(err, STATUS_INVALID,
             "admin.token_file: %s has a token of less than %d characters; remove the file, and a "
             "new one is made",
             path, ADMIN_TOKEN_LEN_MIN);
    }
    *ret = secret_new(text);
    return STATUS_OK;
}

static enum status make(const char *path, struct error *err)
{
    enum status status = small_file_new_key(path, err);
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

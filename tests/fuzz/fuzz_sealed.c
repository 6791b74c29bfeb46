/*
 * The sealed file's reader: as a stranger may have written it (first byte even), and with an
 * authentic but arbitrary list inside (odd). What is read must survive being written again.
 */
#include "auth/secrets/sealed_format.h"
#include "base/memory.h"
#include "base/secret.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

static const char head[SEALED_HEAD_BYTES] = "SLYSEAL\1nonce-nonce";
static const char key_bytes[SEALED_KEY_BYTES + 1] = "0123456789abcdef0123456789abcdef";

static void require(bool claim)
{
    if (!claim) {
        abort();
    }
}

static char *seal(struct slice plain, size_t *ret_len)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    size_t len = SEALED_HEAD_BYTES + plain.len + SEALED_TAG_BYTES;
    unsigned char *out = memory_alloc(len);
    int done = 0;
    memcpy(out, head, SEALED_HEAD_BYTES);
    require(EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, (const unsigned char *)key_bytes,
                               out + 8) == 1);
    require(EVP_EncryptUpdate(context, NULL, &done, out, SEALED_HEAD_BYTES) == 1);
    require(EVP_EncryptUpdate(context, out + SEALED_HEAD_BYTES, &done,
                              (const unsigned char *)plain.ptr, (int)plain.len) == 1);
    require(EVP_EncryptFinal_ex(context, out + len - SEALED_TAG_BYTES, &done) == 1);
    require(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, SEALED_TAG_BYTES,
                                out + len - SEALED_TAG_BYTES) == 1);
    EVP_CIPHER_CTX_free(context);
    *ret_len = len;
    return (char *)out;
}

static void write_and_read_again(const struct sealed_entries *entries, const struct secret *key)
{
    struct sealed_entries again = {0};
    struct error err;
    char *bytes = NULL;
    size_t len = 0;
    sealed_format_write(entries, key, &bytes, &len);
    require(sealed_format_read(slice_make(bytes, len), key, &again, &err) == STATUS_OK);
    require(again.count == entries->count);
    for (size_t i = 0; i < again.count; i++) {
        require(strcmp(again.all[i].name, entries->all[i].name) == 0);
        require(
            slice_equal(secret_reveal(again.all[i].secret), secret_reveal(entries->all[i].secret)));
        require(i == 0 || strcmp(again.all[i - 1].name, again.all[i].name) < 0);
    }
    sealed_entries_fini(&again);
    memory_free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 1 << 16) {
        return 0;
    }
    struct slice bytes = slice_make((const char *)data + 1, size - 1);
    char *sealed CLEANUP(memory_free_at) = NULL;
    if (data[0] % 2 == 1) {
        size_t len = 0;
        sealed = seal(bytes, &len);
        bytes = slice_make(sealed, len);
    }
    struct secret *key = secret_new(slice_make(key_bytes, SEALED_KEY_BYTES));
    struct sealed_entries entries = {0};
    struct error err = {0};
    if (sealed_format_read(bytes, key, &entries, &err) == STATUS_OK) {
        write_and_read_again(&entries, key);
    } else {
        require(entries.count == 0 && err.message[0] != '\0');
    }
    sealed_entries_fini(&entries);
    secret_free(key);
    return 0;
}

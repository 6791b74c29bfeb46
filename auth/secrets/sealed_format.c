#include "auth/secrets/sealed_format.h"

#include "auth/secrets/secret_name.h"
#include "base/digest.h"
#include "base/memory.h"
#include "base/secret.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include <openssl/evp.h>

enum { MAGIC_BYTES = 8, NONCE_BYTES = 12 };

static const char magic[MAGIC_BYTES] = {'S', 'L', 'Y', 'S', 'E', 'A', 'L', 1};

size_t sealed_entries_find(const struct sealed_entries *entries, const char *name)
{
    size_t low = 0;
    size_t high = entries->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strcmp(entries->all[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void sealed_entries_set(struct sealed_entries *entries, const char *name, struct slice value)
{
    size_t at = sealed_entries_find(entries, name);
    if (at < entries->count && strcmp(entries->all[at].name, name) == 0) {
        secret_free(entries->all[at].secret);
        entries->all[at].secret = secret_new(value);
        return;
    }
    MEMORY_GROW(entries->all, entries->count, &entries->size);
    memmove(&entries->all[at + 1], &entries->all[at],
            (entries->count - at) * sizeof(*entries->all));
    entries->all[at] = (struct sealed_entry){memory_copy(slice_from(name)), secret_new(value)};
    entries->count++;
}

void sealed_entries_remove(struct sealed_entries *entries, size_t index)
{
    memory_free(entries->all[index].name);
    secret_free(entries->all[index].secret);
    entries->count--;
    memmove(&entries->all[index], &entries->all[index + 1],
            (entries->count - index) * sizeof(*entries->all));
}

void sealed_entries_fini(struct sealed_entries *entries)
{
    while (entries->count > 0) {
        sealed_entries_remove(entries, entries->count - 1);
    }
    memory_free(entries->all);
    *entries = (struct sealed_entries){0};
}

static char *put_number(char *out, size_t value, unsigned bytes)
{
    for (unsigned i = bytes; i-- > 0; value >>= 8) {
        out[i] = (char)(value & 0xff);
    }
    return out + bytes;
}

static char *put_bytes(char *out, struct slice bytes)
{
    if (bytes.len > 0) {
        memcpy(out, bytes.ptr, bytes.len);
    }
    return out + bytes.len;
}

static size_t plain_len(const struct sealed_entries *entries)
{
    size_t len = 0;
    for (size_t i = 0; i < entries->count; i++) {
        len += 2 + strlen(entries->all[i].name) + 4 + secret_reveal(entries->all[i].secret).len;
    }
    return len;
}

static void write_plain(const struct sealed_entries *entries, char *out)
{
    for (size_t i = 0; i < entries->count; i++) {
        struct slice name = slice_from(entries->all[i].name);
        struct slice value = secret_reveal(entries->all[i].secret);
        out = put_bytes(put_number(out, name.len, 2), name);
        out = put_bytes(put_number(out, value.len, 4), value);
    }
}

static void free_context(EVP_CIPHER_CTX **context)
{
    EVP_CIPHER_CTX_free(*context);
}

/* `text` is worked on in place; `head` is what stands before it, `tag` behind. */
static void encrypt(const struct secret *key, const char *head, char *text, size_t len, char *tag)
{
    EVP_CIPHER_CTX *context CLEANUP(free_context) = EVP_CIPHER_CTX_new();
    unsigned char *bytes = (unsigned char *)text;
    int done = 0;
    int ok = context != NULL &&
             EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL,
                                (const unsigned char *)secret_reveal(key).ptr,
                                (const unsigned char *)head + MAGIC_BYTES) == 1 &&
             EVP_EncryptUpdate(context, NULL, &done, (const unsigned char *)head,
                               SEALED_HEAD_BYTES) == 1 &&
             EVP_EncryptUpdate(context, bytes, &done, bytes, (int)len) == 1 &&
             EVP_EncryptFinal_ex(context, bytes + len, &done) == 1 &&
             EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, SEALED_TAG_BYTES, tag) == 1;
    if (!ok) {
        abort(); /* out of memory, or a broken OpenSSL: nothing may be written */
    }
}

static int decrypt(const struct secret *key, const char *head, char *text, size_t len, char *tag)
{
    EVP_CIPHER_CTX *context CLEANUP(free_context) = EVP_CIPHER_CTX_new();
    unsigned char *bytes = (unsigned char *)text;
    int done = 0;
    return context != NULL &&
           EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL,
                              (const unsigned char *)secret_reveal(key).ptr,
                              (const unsigned char *)head + MAGIC_BYTES) == 1 &&
           EVP_DecryptUpdate(context, NULL, &done, (const unsigned char *)head,
                             SEALED_HEAD_BYTES) == 1 &&
           EVP_DecryptUpdate(context, bytes, &done, bytes, (int)len) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, SEALED_TAG_BYTES, tag) == 1 &&
           EVP_DecryptFinal_ex(context, bytes + len, &done) == 1;
}

void sealed_format_write(const struct sealed_entries *entries, const struct secret *key,
                         char **ret_bytes, size_t *ret_len)
{
    size_t len = plain_len(entries);
    char *bytes = memory_alloc(SEALED_HEAD_BYTES + len + SEALED_TAG_BYTES);
    char *text = bytes + SEALED_HEAD_BYTES;
    memcpy(bytes, magic, MAGIC_BYTES);
    random_bytes(bytes + MAGIC_BYTES, NONCE_BYTES);
    write_plain(entries, text);
    encrypt(key, bytes, text, len, text + len);
    *ret_bytes = bytes;
    *ret_len = SEALED_HEAD_BYTES + len + SEALED_TAG_BYTES;
}

/* Takes a number of `bytes` bytes and then as many bytes as it says from the front. */
static bool take_counted(struct slice *plain, unsigned bytes, struct slice *ret)
{
    size_t len = 0;
    if (plain->len < bytes) {
        return false;
    }
    for (unsigned i = 0; i < bytes; i++) {
        len = len << 8 | (unsigned char)plain->ptr[i];
    }
    *plain = slice_skip(*plain, bytes);
    if (plain->len < len) {
        return false;
    }
    *ret = slice_make(plain->ptr, len);
    *plain = slice_skip(*plain, len);
    return true;
}

/* It is authentic, but may have been written by a faulty program. */
static bool read_plain(struct slice plain, struct sealed_entries *entries)
{
    while (plain.len > 0) {
        struct slice name;
        struct slice value;
        if (!take_counted(&plain, 2, &name) || !take_counted(&plain, 4, &value) ||
            !secret_name_valid(name)) {
            return false;
        }
        char *text CLEANUP(memory_free_at) = memory_copy(name);
        sealed_entries_set(entries, text, value);
    }
    return true;
}

enum status sealed_format_read(struct slice bytes, const struct secret *key,
                               struct sealed_entries *ret, struct error *err)
{
    assert(secret_reveal(key).len == SEALED_KEY_BYTES && bytes.len <= SEALED_FILE_MAX);
    if (bytes.len < SEALED_HEAD_BYTES + SEALED_TAG_BYTES ||
        memcmp(bytes.ptr, magic, MAGIC_BYTES - 1) != 0) {
        FAIL(err, STATUS_INVALID, "is cut, or is no sealed secrets file; restore it from a backup");
    }
    if (bytes.ptr[MAGIC_BYTES - 1] != magic[MAGIC_BYTES - 1]) {
        FAIL(err, STATUS_INVALID, "has format version %u, known is %u; use a newer sallyport",
             (unsigned)(unsigned char)bytes.ptr[MAGIC_BYTES - 1],
             (unsigned)(unsigned char)magic[MAGIC_BYTES - 1]);
    }
    size_t len = bytes.len - SEALED_HEAD_BYTES - SEALED_TAG_BYTES;
    char tag[SEALED_TAG_BYTES];
    memcpy(tag, bytes.ptr + bytes.len - SEALED_TAG_BYTES, SEALED_TAG_BYTES);
    char *text = memory_alloc(len);
    memcpy(text, bytes.ptr + SEALED_HEAD_BYTES, len);

    struct sealed_entries entries = {0};
    int authentic = decrypt(key, bytes.ptr, text, len, tag);
    bool readable = authentic && read_plain(slice_make(text, len), &entries);
    secret_wipe(text, len);
    memory_free(text);
    if (!readable) {
        sealed_entries_fini(&entries);
        FAIL(err, STATUS_INVALID,
             authentic
                 ? "was written by a faulty program; restore it from a backup"
                 : "does not open: it is damaged, or was sealed with another one; name that one, "
                   "or restore the file from a backup");
    }
    *ret = entries;
    return STATUS_OK;
}

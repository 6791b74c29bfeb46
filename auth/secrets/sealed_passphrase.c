#include "auth/secrets/sealed_passphrase.h"

#include "auth/secrets/sealed_file.h"
#include "auth/secrets/sealed_format.h"
#include "base/digest.h"
#include "base/secret.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

enum {
    MAGIC_BYTES = 8,
    SALT_BYTES = 16,
    COST = 15, /* N is 2 to this */
    COST_MIN = 14,
    COST_MAX = 17,
    BLOCK = 8,
    PARALLEL = 3,
    MEMORY_MAX = 160 << 20,
    KEPT = 4,
};

static const char magic[MAGIC_BYTES] = {'S', 'L', 'Y', 'S', 'E', 'A', 'L', 2};

/* Keys of late: a file is opened anew at each look, by several threads. Under the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct kept_key {
    unsigned char of[SHA256_BYTES]; /* the lead and the passphrase */
    struct secret *key;             /* owned; NULL: empty */
} kept[KEPT];
static unsigned next_kept;

bool sealed_lead_is(struct slice bytes)
{
    return bytes.len >= SEALED_LEAD_BYTES && memcmp(bytes.ptr, magic, MAGIC_BYTES) == 0;
}

void sealed_lead_new(char out[SEALED_LEAD_BYTES])
{
    memcpy(out, magic, MAGIC_BYTES);
    out[MAGIC_BYTES] = COST;
    random_bytes(out + MAGIC_BYTES + 1, SALT_BYTES);
}

static void identify(const char *lead, struct slice passphrase, unsigned char out[SHA256_BYTES])
{
    char text[SEALED_LEAD_BYTES + SEALED_PASSPHRASE_MAX];
    memcpy(text, lead, SEALED_LEAD_BYTES);
    memcpy(text + SEALED_LEAD_BYTES, passphrase.ptr, passphrase.len);
    digest_sha256(slice_make(text, SEALED_LEAD_BYTES + passphrase.len), out);
    secret_wipe(text, sizeof(text));
}

/* NULL: it is not kept. */
static struct secret *find_kept(const unsigned char of[SHA256_BYTES])
{
    struct secret *key = NULL;
    (void)pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < KEPT && key == NULL; i++) {
        if (kept[i].key != NULL && memcmp(kept[i].of, of, SHA256_BYTES) == 0) {
            key = secret_new(secret_reveal(kept[i].key));
        }
    }
    (void)pthread_mutex_unlock(&lock);
    return key;
}

static void keep(const unsigned char of[SHA256_BYTES], const struct secret *key)
{
    (void)pthread_mutex_lock(&lock);
    struct kept_key *place = &kept[next_kept++ % KEPT];
    secret_free(place->key);
    place->key = secret_new(secret_reveal(key));
    memcpy(place->of, of, SHA256_BYTES);
    (void)pthread_mutex_unlock(&lock);
}

static struct secret *derive(const char *lead, struct slice passphrase)
{
    unsigned char key[SEALED_KEY_BYTES];
    const unsigned char *salt = (const unsigned char *)lead + MAGIC_BYTES + 1;
    int ok = EVP_PBE_scrypt(passphrase.ptr, passphrase.len, salt, SALT_BYTES,
                            (uint64_t)1 << (unsigned char)lead[MAGIC_BYTES], BLOCK, PARALLEL,
                            MEMORY_MAX, key, sizeof(key));
    if (ok != 1) {
        abort(); /* out of memory, or a broken OpenSSL */
    }
    struct secret *made = secret_new(slice_make((const char *)key, sizeof(key)));
    secret_wipe(key, sizeof(key));
    return made;
}

static struct slice without_newline(struct slice text)
{
    if (text.len > 0 && text.ptr[text.len - 1] == '\n') {
        text.len--;
    }
    return text;
}

enum status sealed_passphrase_key(const char lead[SEALED_LEAD_BYTES], struct slice text,
                                  struct secret **ret, struct error *err)
{
    unsigned char of[SHA256_BYTES];
    struct slice passphrase = without_newline(text);
    if (passphrase.len < SEALED_PASSPHRASE_MIN || passphrase.len > SEALED_PASSPHRASE_MAX) {
        FAIL(err, STATUS_INVALID, "a passphrase has %d to %d bytes", SEALED_PASSPHRASE_MIN,
             SEALED_PASSPHRASE_MAX);
    }
    if (lead[MAGIC_BYTES] < COST_MIN || lead[MAGIC_BYTES] > COST_MAX) {
        FAIL(err, STATUS_INVALID, "the sealed file is damaged: it asks for scrypt with N = 2^%d",
             lead[MAGIC_BYTES]);
    }
    identify(lead, passphrase, of);
    struct secret *key = find_kept(of);
    if (key == NULL) {
        key = derive(lead, passphrase);
        keep(of, key);
    }
    *ret = key;
    return STATUS_OK;
}

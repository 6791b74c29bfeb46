/* The one-shot and EVP interfaces of OpenSSL 3 look the algorithm up and allocate each time, ten
 * times the work of hashing a tenant key. The functions below are the same code without that. */
#define OPENSSL_API_COMPAT 0x10100000L

#include "base/digest.h"

#include "base/encode.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/rand.h>
#include <openssl/sha.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct sha256), "room for OpenSSL's own");

static SHA256_CTX *context_of(struct sha256 *digest)
{
    return (SHA256_CTX *)(void *)digest;
}

void sha256_begin(struct sha256 *digest)
{
    if (SHA256_Init(context_of(digest)) != 1) {
        abort(); /* it cannot fail */
    }
}

void sha256_add(struct sha256 *digest, struct slice bytes)
{
    if (bytes.len > 0 && SHA256_Update(context_of(digest), bytes.ptr, bytes.len) != 1) {
        abort(); /* it cannot fail */
    }
}

void sha256_end(struct sha256 *digest, unsigned char out[SHA256_BYTES])
{
    if (SHA256_Final(out, context_of(digest)) != 1) {
        abort(); /* it cannot fail */
    }
}

void digest_sha256(struct slice bytes, unsigned char out[SHA256_BYTES])
{
    SHA256_CTX context;
    int done = SHA256_Init(&context) == 1 && SHA256_Update(&context, bytes.ptr, bytes.len) == 1 &&
               SHA256_Final(out, &context) == 1;
    if (!done) {
        abort(); /* it cannot fail */
    }
}

void digest_sha1(struct slice bytes, unsigned char out[SHA1_BYTES])
{
    SHA_CTX context;
    int done = SHA1_Init(&context) == 1 && SHA1_Update(&context, bytes.ptr, bytes.len) == 1 &&
               SHA1_Final(out, &context) == 1;
    if (!done) {
        abort(); /* it cannot fail */
    }
}

void random_bytes(void *out, size_t len)
{
    unsigned char *ptr = out;
    while (len > 0) {
        int count = len > 4096 ? 4096 : (int)len;
        if (RAND_bytes(ptr, count) != 1) {
            (void)fputs("sallyport: the system has no randomness to give\n", stderr);
            abort();
        }
        ptr += count;
        len -= (size_t)count;
    }
}

uint64_t random_number(void)
{
    uint64_t number;
    random_bytes(&number, sizeof(number));
    return number;
}

void random_name(char *out, size_t len)
{
    unsigned char bytes[RANDOM_NAME_MAX_BYTES];
    assert(len <= sizeof(bytes));
    random_bytes(bytes, len);
    encode_hex(slice_make((const char *)bytes, len), out);
    out[2 * len] = '\0';
}

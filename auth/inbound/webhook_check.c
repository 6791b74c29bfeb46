#include "auth/inbound/webhook_check.h"

#include "auth/inbound/webhook_canonical.h"
#include "auth/inbound/webhook_crypto.h"
#include "auth/inbound/webhook_secret.h"
#include "base/buffer.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/secret.h"

/* One check of one signed message against all signatures and keys. */
struct check {
    struct webhook_message *message;
    const struct webhook_candidates *candidates;
    EVP_PKEY *certificate_key; /* borrowed; NULL: the secrets are the keys */
    enum webhook_hash hash;
    bool secret_is_signed;
    struct buffer bytes;
};

/* Is one of the signatures this mac? All are looked at. */
static bool mac_matches(const struct check *check, struct slice key)
{
    const struct webhook_scheme *scheme = check->message->scheme;
    unsigned char mac[WEBHOOK_MAC_BYTES];
    unsigned char bytes[WEBHOOK_SIGNATURE_BYTES];
    struct slice signature;
    bool matches = false;
    size_t len = webhook_mac(scheme->algorithm, key, buffer_bytes(&check->bytes), mac);
    for (unsigned i = 0; i < check->candidates->count && len > 0; i++) {
        bool same =
            webhook_decode(scheme->encoding, check->candidates->text[i], bytes, &signature) &&
            secret_equal(slice_make((const char *)mac, len), signature);
        matches = matches || same;
    }
    secret_wipe(mac, sizeof(mac));
    return matches;
}

static bool signature_matches(const struct check *check, EVP_PKEY *key)
{
    unsigned char bytes[WEBHOOK_SIGNATURE_BYTES];
    struct slice signature;
    bool matches = false;
    for (unsigned i = 0; i < check->candidates->count && key != NULL && !matches; i++) {
        matches = webhook_decode(check->message->scheme->encoding, check->candidates->text[i],
                                 bytes, &signature) &&
                  webhook_signature_valid(key, check->hash, buffer_bytes(&check->bytes), signature);
    }
    return matches;
}

static bool key_matches(const struct check *check, struct slice key_bytes)
{
    enum webhook_algorithm algorithm = check->message->scheme->algorithm;
    if (check->certificate_key != NULL) {
        return signature_matches(check, check->certificate_key);
    }
    if (algorithm != WEBHOOK_ED25519 && algorithm != WEBHOOK_ECDSA_P256) {
        return mac_matches(check, key_bytes);
    }
    EVP_PKEY *key CLEANUP(webhook_key_free_at) = webhook_public_key(algorithm, key_bytes);
    return signature_matches(check, key);
}

/* Wiped, for the secret may be among what is signed. */
static void clear(struct check *check)
{
    size_t max = check->bytes.max;
    buffer_wipe(&check->bytes);
    buffer_init(&check->bytes, max);
}

static enum webhook_reason check_secret(struct check *check, struct webhook_signed *from,
                                        struct slice secret)
{
    unsigned char room[WEBHOOK_KEY_BYTES];
    struct slice key = SLICE("");
    enum webhook_reason reason = WEBHOOK_OK;
    if (secret.len > 0 && !webhook_secret_decode(check->message->scheme, secret, room, &key)) {
        return WEBHOOK_SIGNATURE_MISMATCH;
    }
    if (check->secret_is_signed || buffer_len(&check->bytes) == 0) {
        from->secret = key;
        clear(check);
        reason = webhook_write_signed(check->message, from, &check->bytes);
    }
    if (reason == WEBHOOK_OK && !key_matches(check, key)) {
        reason = WEBHOOK_SIGNATURE_MISMATCH;
    }
    from->secret = SLICE("");
    secret_wipe(room, sizeof(room));
    return reason;
}

static enum webhook_reason check_url(struct check *check, struct slice url,
                                     const struct cJSON *item)
{
    struct webhook_signed from = {.url = url, .item = item};
    struct webhook_secret_walk walk = {0};
    struct slice secret;
    enum webhook_reason reason = WEBHOOK_SIGNATURE_MISMATCH;
    clear(check);
    if (check->certificate_key != NULL && !check->secret_is_signed) {
        return check_secret(check, &from, SLICE(""));
    }
    while (reason == WEBHOOK_SIGNATURE_MISMATCH &&
           webhook_secret_next(check->message, &walk, &secret)) {
        if (secret.len > 0) {
            reason = check_secret(check, &from, secret);
        }
    }
    return reason;
}

/* What the signature covers, for those who look for deliveries that come again: see
 * webhook_result. Of items, over all of them. */
static void add_content(const struct check *check, struct webhook_result *ret)
{
    const struct webhook_scheme *scheme = check->message->scheme;
    unsigned char both[2 * SHA256_BYTES];
    for (unsigned i = 0; i < scheme->part_count; i++) {
        if (scheme->parts[i].kind == WEBHOOK_PART_BODY) {
            digest_sha256(check->message->request->body, ret->content_hash);
            return;
        }
    }
    memcpy(both, ret->content_hash, SHA256_BYTES);
    digest_sha256(buffer_bytes(&check->bytes), both + SHA256_BYTES);
    digest_sha256(slice_make((const char *)both, sizeof(both)), ret->content_hash);
}

static bool secret_is_signed(const struct webhook_scheme *scheme)
{
    bool found = false;
    for (unsigned i = 0; i < scheme->part_count; i++) {
        found = found || scheme->parts[i].kind == WEBHOOK_PART_SECRET;
    }
    return found;
}

enum webhook_reason webhook_check_signature(struct webhook_message *message,
                                            const struct webhook_candidates *candidates,
                                            const struct cJSON *item, EVP_PKEY *certificate_key,
                                            struct webhook_result *ret)
{
    const struct webhook_request *request = message->request;
    struct check check = {.message = message,
                          .candidates = candidates,
                          .certificate_key = certificate_key,
                          .secret_is_signed = secret_is_signed(message->scheme)};
    enum webhook_algorithm algorithm = message->scheme->algorithm;
    struct slice version = SLICE("2");
    bool twice = false;
    if (algorithm == WEBHOOK_RSA_SNS) {
        (void)json_string(
            webhook_json_at(webhook_json(message), SLICE("/SignatureVersion"), &twice), &version);
    }
    bool sha1 = slice_equal(version, SLICE("1"));
    if (twice || (!sha1 && !slice_equal(version, SLICE("2")))) {
        return WEBHOOK_ALGORITHM_REFUSED;
    }
    check.hash = sha1                           ? WEBHOOK_HASH_SHA1
                 : algorithm == WEBHOOK_ED25519 ? WEBHOOK_HASH_NONE
                                                : WEBHOOK_HASH_SHA256;
    buffer_init(&check.bytes, request->body.len + WEBHOOK_BESIDE_BODY_BYTES);
    enum webhook_reason reason = check_url(&check, request->url, item);
    if (reason == WEBHOOK_SIGNATURE_MISMATCH && message->scheme->url_ports) {
        reason = check_url(&check, webhook_other_url(request->url, message->arena), item);
    }
    if (reason == WEBHOOK_OK) {
        add_content(&check, ret);
    }
    buffer_wipe(&check.bytes);
    return reason;
}

enum webhook_reason webhook_check_token(const struct webhook_message *message,
                                        const struct webhook_candidates *candidates)
{
    struct webhook_secret_walk walk = {0};
    struct slice secret;
    bool matches = false;
    while (webhook_secret_next(message, &walk, &secret)) {
        bool same = secret.len > 0 && secret_equal(secret, candidates->text[0]);
        matches = matches || same;
    }
    return matches ? WEBHOOK_OK : WEBHOOK_TOKEN_MISMATCH;
}

#include "auth/inbound/webhook_signature.h"

#include "auth/inbound/webhook_candidates.h"
#include "auth/inbound/webhook_cert_url.h"
#include "auth/inbound/webhook_check.h"
#include "auth/inbound/webhook_crypto.h"
#include "auth/inbound/webhook_jwt.h"
#include "auth/inbound/webhook_timestamp.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/memory.h"

enum { ITEMS_MAX = 1000 };

/* A sound signature, or something that a signature cannot be? */
static bool all_unreadable(const struct webhook_scheme *scheme,
                           const struct webhook_candidates *candidates)
{
    unsigned char bytes[WEBHOOK_SIGNATURE_BYTES];
    struct slice signature;
    enum webhook_encoding encoding =
        scheme->encoding == WEBHOOK_HEX ? WEBHOOK_HEX_ANY : scheme->encoding;
    for (unsigned i = 0; i < candidates->count; i++) {
        if (webhook_decode(encoding, candidates->text[i], bytes, &signature)) {
            return false;
        }
    }
    return true;
}

static enum webhook_reason check_one(struct webhook_message *message, const struct cJSON *item,
                                     EVP_PKEY *certificate_key, struct webhook_result *ret)
{
    struct webhook_candidates candidates;
    enum webhook_reason reason = webhook_candidates_read(message, item, &candidates);
    if (reason != WEBHOOK_OK) {
        return reason;
    }
    if (message->scheme->algorithm == WEBHOOK_TOKEN) {
        digest_sha256(message->request->body, ret->content_hash);
        return webhook_check_token(message, &candidates);
    }
    if (all_unreadable(message->scheme, &candidates)) {
        return WEBHOOK_HEADER_MALFORMED;
    }
    if (message->scheme->timestamp.kind == WEBHOOK_IN_PAIRS) {
        int64_t msec = 0;
        if (!webhook_timestamp_read(message->timestamp, message->scheme->timestamp_unit, &msec)) {
            return WEBHOOK_TIMESTAMP_MALFORMED;
        }
    }
    return webhook_check_signature(message, &candidates, item, certificate_key, ret);
}

/* Every item must be right, and there must be one. */
static enum webhook_reason check_items(struct webhook_message *message, struct webhook_result *ret)
{
    bool twice = false;
    unsigned count = 0;
    enum webhook_reason reason = WEBHOOK_HEADER_MISSING;
    const struct cJSON *items =
        webhook_json_at(webhook_json(message), message->scheme->items, &twice);
    if (webhook_json(message) == NULL || twice) {
        return WEBHOOK_BODY_MALFORMED;
    }
    if (!json_is_array(items)) {
        return WEBHOOK_HEADER_MISSING;
    }
    for (const struct cJSON *item = json_first(items); item != NULL; item = json_next(item)) {
        reason = ++count > ITEMS_MAX ? WEBHOOK_BODY_MALFORMED : check_one(message, item, NULL, ret);
        if (reason != WEBHOOK_OK) {
            return reason;
        }
    }
    return reason;
}

/* What else the message must say: "HEADER=VALUE"; a topic that is pinned; JSON where it is needed.
 */
static enum webhook_reason check_requirements(struct webhook_message *message)
{
    const struct webhook_scheme *scheme = message->scheme;
    const struct webhook_request *request = message->request;
    struct slice value;
    for (unsigned i = 0; i < scheme->requires.count; i++) {
        struct slice text = scheme->requires.text[i];
        size_t equals = slice_find(text, '=');
        if (webhook_header(message, slice_make(text.ptr, equals), &value) != WEBHOOK_FOUND) {
            return WEBHOOK_HEADER_MISSING;
        }
        if (!slice_equal(value, slice_skip(text, equals + 1))) {
            return WEBHOOK_ALGORITHM_REFUSED;
        }
    }
    if (scheme->signature.kind == WEBHOOK_IN_JSON && webhook_json(message) == NULL) {
        return WEBHOOK_BODY_MALFORMED;
    }
    if (scheme->pin != WEBHOOK_PIN_TOPIC) {
        return WEBHOOK_OK;
    }
    bool twice = false;
    bool pinned = false;
    if (!json_string(webhook_json_at(webhook_json(message), SLICE("/TopicArn"), &twice), &value)) {
        return WEBHOOK_BODY_MALFORMED;
    }
    for (unsigned i = 0; i < request->topic_count; i++) {
        pinned = pinned || slice_equal(request->topics[i], value);
    }
    return pinned && !twice ? WEBHOOK_OK : WEBHOOK_CLAIM_MISMATCH;
}

/* The timestamp and the id that the signed bytes are made with, if they are headers. */
static enum webhook_reason read_signed_headers(struct webhook_message *message)
{
    const struct webhook_scheme *scheme = message->scheme;
    const struct webhook_place *places[] = {&scheme->timestamp, &scheme->id};
    struct slice *to[] = {&message->timestamp, &message->id};
    int64_t msec = 0;
    for (unsigned i = 0; i < 2; i++) {
        if (places[i]->kind != WEBHOOK_IN_HEADER) {
            continue;
        }
        enum webhook_found found = webhook_header(message, places[i]->name, to[i]);
        if (found != WEBHOOK_FOUND) {
            return found == WEBHOOK_ABSENT ? WEBHOOK_HEADER_MISSING : WEBHOOK_HEADER_MALFORMED;
        }
        if (to[i]->len == 0) {
            return i == 0 ? WEBHOOK_TIMESTAMP_MALFORMED : WEBHOOK_HEADER_MALFORMED;
        }
    }
    bool is_header = scheme->timestamp.kind == WEBHOOK_IN_HEADER;
    return is_header && !webhook_timestamp_read(message->timestamp, scheme->timestamp_unit, &msec)
               ? WEBHOOK_TIMESTAMP_MALFORMED
               : WEBHOOK_OK;
}

/* After the signature: only what is signed is worth reading. */
static enum webhook_reason check_time(struct webhook_message *message, struct webhook_result *ret)
{
    const struct webhook_scheme *scheme = message->scheme;
    bool twice = false;
    uint64_t number = 0;
    int64_t msec = 0;
    bool read = false;
    if (scheme->timestamp.kind == WEBHOOK_NOWHERE) {
        return WEBHOOK_OK;
    }
    if (scheme->timestamp.kind == WEBHOOK_IN_JSON) {
        const struct cJSON *root = webhook_json(message);
        const struct cJSON *value = webhook_json_at(root, scheme->timestamp.name, &twice);
        if (root == NULL) {
            return WEBHOOK_BODY_MALFORMED;
        }
        if (scheme->timestamp_unit == WEBHOOK_MILLISECONDS) {
            read = json_uint(value, &number);
            msec = (int64_t)number;
        } else {
            read = json_string(value, &message->timestamp) &&
                   webhook_timestamp_read(message->timestamp, scheme->timestamp_unit, &msec);
        }
    } else {
        read = webhook_timestamp_read(message->timestamp, scheme->timestamp_unit, &msec);
    }
    if (!read || twice) {
        return scheme->tolerance == WEBHOOK_NO_TOLERANCE ? WEBHOOK_OK : WEBHOOK_TIMESTAMP_MALFORMED;
    }
    ret->timestamp = msec / 1000;
    return webhook_timestamp_check(msec, message->request->now, scheme->tolerance);
}

static enum webhook_reason find_certificate(struct webhook_message *message, EVP_PKEY **ret_key,
                                            struct webhook_result *ret)
{
    const struct webhook_scheme *scheme = message->scheme;
    const struct webhook_request *request = message->request;
    struct slice url;
    enum webhook_found found = webhook_text_at(message, &scheme->key_url, &url);
    if (found != WEBHOOK_FOUND) {
        return found == WEBHOOK_ABSENT ? WEBHOOK_HEADER_MISSING : WEBHOOK_CERT_URL_REFUSED;
    }
    if (!webhook_cert_url_allowed(scheme, url)) {
        return WEBHOOK_CERT_URL_REFUSED;
    }
    if (request->fetched_state == WEBHOOK_NOT_ASKED) {
        ret->outcome = WEBHOOK_NEEDS;
        ret->need = WEBHOOK_NEEDS_CERTIFICATE;
        ret->need_name = arena_copy(message->arena, url);
        return WEBHOOK_OK;
    }
    if (request->fetched_state == WEBHOOK_FETCHED) {
        *ret_key = webhook_certificate_key(request->fetched, request->now);
    }
    return *ret_key == NULL ? WEBHOOK_CERT_UNAVAILABLE : WEBHOOK_OK;
}

static enum webhook_reason verify_plain(struct webhook_message *message, struct webhook_result *ret)
{
    const struct webhook_scheme *scheme = message->scheme;
    EVP_PKEY *key CLEANUP(webhook_key_free_at) = NULL;
    struct webhook_candidates candidates;
    struct slice value;
    enum webhook_reason reason = check_requirements(message);
    if (reason == WEBHOOK_OK) {
        reason = read_signed_headers(message);
    }
    if (reason == WEBHOOK_OK && scheme->key == WEBHOOK_KEY_CERTIFICATE) {
        reason = webhook_candidates_read(message, NULL, &candidates); /* nothing fetched in vain */
        if (reason == WEBHOOK_OK) {
            reason = find_certificate(message, &key, ret);
        }
        if (reason != WEBHOOK_OK || ret->outcome == WEBHOOK_NEEDS) {
            return reason;
        }
    }
    if (reason == WEBHOOK_OK) {
        reason =
            scheme->items.len > 0 ? check_items(message, ret) : check_one(message, NULL, key, ret);
    }
    if (reason == WEBHOOK_OK) {
        reason = check_time(message, ret);
    }
    if (reason == WEBHOOK_OK && scheme->body_hash.kind == WEBHOOK_IN_QUERY &&
        !(webhook_text_at(message, &scheme->body_hash, &value) == WEBHOOK_FOUND &&
          webhook_body_hash_is(message->request, value))) {
        reason = WEBHOOK_BODY_HASH_MISMATCH;
    }
    return reason;
}

/* The first place that holds a text of a fitting length. */
static struct slice first_text(struct webhook_message *message, const struct webhook_places *places,
                               bool *ret_signed)
{
    for (unsigned i = 0; i < places->count; i++) {
        struct slice text;
        if (webhook_text_at(message, &places->place[i], &text) == WEBHOOK_FOUND && text.len > 0 &&
            text.len <= WEBHOOK_ID_MAX_BYTES) {
            *ret_signed = places->place[i].is_signed;
            return arena_copy(message->arena, text);
        }
    }
    *ret_signed = false;
    return slice_make("", 0);
}

void webhook_verify(const struct webhook_scheme *scheme, const struct webhook_request *request,
                    struct arena *arena, struct webhook_result *ret)
{
    struct webhook_message message = {.scheme = scheme, .request = request, .arena = arena};
    bool type_signed = false;
    *ret = (struct webhook_result){.outcome = WEBHOOK_ACCEPTED};
    if (scheme->grammar == WEBHOOK_JWT) {
        digest_sha256(request->body, ret->content_hash);
        ret->reason = webhook_jwt_verify(&message, ret);
    } else {
        ret->reason = verify_plain(&message, ret);
    }
    if (ret->reason != WEBHOOK_OK) {
        *ret = (struct webhook_result){.outcome = WEBHOOK_REFUSED, .reason = ret->reason};
    } else if (ret->outcome == WEBHOOK_ACCEPTED) {
        ret->event_id = first_text(&message, &scheme->event_ids, &ret->event_id_signed);
        ret->event_type = first_text(&message, &scheme->event_types, &type_signed);
    }
    webhook_message_fini(&message);
}

const char *webhook_reason_name(enum webhook_reason reason)
{
    static const char *const names[WEBHOOK_REASONS] = {
        [WEBHOOK_OK] = "ok",
        [WEBHOOK_SIGNATURE_MISMATCH] = "signature_mismatch",
        [WEBHOOK_TOKEN_MISMATCH] = "token_mismatch",
        [WEBHOOK_HEADER_MISSING] = "header_missing",
        [WEBHOOK_HEADER_MALFORMED] = "header_malformed",
        [WEBHOOK_TIMESTAMP_MALFORMED] = "timestamp_malformed",
        [WEBHOOK_TIMESTAMP_EXPIRED] = "timestamp_expired",
        [WEBHOOK_TIMESTAMP_FUTURE] = "timestamp_future",
        [WEBHOOK_BODY_MALFORMED] = "body_malformed",
        [WEBHOOK_BODY_HASH_MISMATCH] = "body_hash_mismatch",
        [WEBHOOK_ALGORITHM_REFUSED] = "algorithm_refused",
        [WEBHOOK_CLAIM_MISMATCH] = "claim_mismatch",
        [WEBHOOK_CERT_URL_REFUSED] = "cert_url_refused",
        [WEBHOOK_CERT_UNAVAILABLE] = "cert_unavailable",
        [WEBHOOK_KEY_UNKNOWN] = "key_unknown",
    };
    return names[reason];
}

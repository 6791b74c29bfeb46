/*
 * receiver: an internal service that a gateway delivers webhooks to. It takes what is signed as
 * Standard Webhooks say, tells each on stdout, and shows the last ones. No key is asked for: the
 * signature is the proof.
 */
#include "base/digest.h"
#include "base/encode.h"
#include "base/memory.h"
#include "gateway/demo/answers.h"
#include "gateway/demo/provider.h"

#include <stdio.h>

#include <event2/buffer.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define TOLERANCE (300 * SEC) /* of the timestamp, both ways */

enum {
    EVENTS_KEPT = 20,
    SECRET_MAX_BYTES = 96,
    ID_MAX_BYTES = 128,
    BODY_SHOWN_BYTES = 2000,
};

struct arrival {
    char id[ID_MAX_BYTES];
    usec_t at;
    unsigned times; /* that it came */
    size_t body_bytes;
    char body[BODY_SHOWN_BYTES];
};

/* A ring: the newest overwrites the oldest. */
struct receiver {
    unsigned char secret[SECRET_MAX_BYTES];
    size_t secret_len;
    struct arrival arrivals[EVENTS_KEPT];
    size_t taken; /* since the start, repeats not counted */
};

struct receiver *receiver_new(const char *secret)
{
    struct receiver *receiver = MEMORY_NEW(struct receiver);
    struct slice text = slice_from(secret);
    if (slice_starts_with(text, SLICE("whsec_"))) {
        text = slice_skip(text, 6);
    }
    if (text.len > SECRET_MAX_BYTES || text.len == 0 ||
        decode_base64(text, receiver->secret, &receiver->secret_len) != STATUS_OK) {
        memory_free(receiver);
        return NULL;
    }
    return receiver;
}

void receiver_free(struct receiver *receiver)
{
    memory_free(receiver);
}

/* ---- is it from the gateway? ---- */

/* "v1," and the HMAC of "id.timestamp.body" in base64. */
static size_t expected_signature(const struct receiver *receiver, const struct call *call,
                                 char out[64])
{
    struct slice id = call_header(call, "webhook-id");
    struct slice timestamp = call_header(call, "webhook-timestamp");
    struct slice body = buffer_bytes(&call->body);
    struct buffer signed_bytes CLEANUP(buffer_fini);
    unsigned char mac[SHA256_BYTES];
    unsigned len = 0;
    buffer_init(&signed_bytes, id.len + timestamp.len + body.len + 2);
    const struct slice parts[] = {id, SLICE("."), timestamp, SLICE("."), body};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (buffer_append(&signed_bytes, parts[i]) != STATUS_OK) {
            return 0;
        }
    }
    struct slice bytes = buffer_bytes(&signed_bytes);
    (void)HMAC(EVP_sha256(), receiver->secret, (int)receiver->secret_len,
               (const unsigned char *)bytes.ptr, bytes.len, mac, &len);
    memcpy(out, "v1,", 3);
    return 3 + encode_base64(slice_make((const char *)mac, len), out + 3);
}

/* While a secret is rolled there are several, with spaces between them. */
static bool signature_is_right(const struct receiver *receiver, const struct call *call)
{
    char expected[64];
    size_t len = expected_signature(receiver, call, expected);
    struct slice rest = call_header(call, "webhook-signature");
    while (len > 0 && rest.len > 0) {
        struct slice one = slice_make(rest.ptr, slice_find(rest, ' '));
        if (one.len == len && CRYPTO_memcmp(one.ptr, expected, len) == 0) {
            return true;
        }
        rest = slice_skip(rest, one.len + 1);
    }
    return false;
}

/* NULL: it is. */
static const char *why_not(const struct receiver *receiver, const struct call *call)
{
    struct slice id = call_header(call, "webhook-id");
    uint64_t seconds;
    if (id.len == 0 || id.len >= ID_MAX_BYTES) {
        return "there is no webhook-id";
    }
    if (!slice_number(call_header(call, "webhook-timestamp"), INT64_MAX / SEC, &seconds)) {
        return "there is no webhook-timestamp";
    }
    usec_t apart = clock_wall() - (usec_t)seconds * SEC;
    if (apart > TOLERANCE || apart < -TOLERANCE) {
        return "the webhook-timestamp is not of now";
    }
    return signature_is_right(receiver, call) ? NULL : "the webhook-signature is wrong";
}

/* ---- what came ---- */

static struct arrival *arrival_at(struct receiver *receiver, size_t number)
{
    return &receiver->arrivals[number % EVENTS_KEPT];
}

static size_t first_kept(const struct receiver *receiver)
{
    return receiver->taken > EVENTS_KEPT ? receiver->taken - EVENTS_KEPT : 0;
}

/* Of one id an event is one, however often it comes. */
static struct arrival *keep(struct receiver *receiver, const struct call *call)
{
    struct slice id = call_header(call, "webhook-id");
    struct slice body = buffer_bytes(&call->body);
    for (size_t i = first_kept(receiver); i < receiver->taken; i++) {
        struct arrival *arrival = arrival_at(receiver, i);
        if (slice_equal(slice_from(arrival->id), id)) {
            arrival->times++;
            return arrival;
        }
    }
    struct arrival *arrival = arrival_at(receiver, receiver->taken++);
    *arrival = (struct arrival){.at = clock_wall(), .times = 1, .body_bytes = body.len};
    memcpy(arrival->id, id.ptr, id.len);
    if (body.len > 0) {
        memcpy(arrival->body, body.ptr, body.len < BODY_SHOWN_BYTES ? body.len : BODY_SHOWN_BYTES);
    }
    return arrival;
}

void receiver_take(struct call *call)
{
    struct receiver *receiver = ((struct service *)call->service)->receiver;
    struct evbuffer *out = evbuffer_new();
    const char *wrong = call->body_too_large ? "the body is too large" : why_not(receiver, call);
    if (wrong == NULL) {
        const struct arrival *arrival = keep(receiver, call);
        (void)printf("webhook %s: the signature is right, %zu bytes%s\n", arrival->id,
                     arrival->body_bytes, arrival->times > 1 ? ", seen before" : "");
    } else {
        (void)printf("webhook refused: %s\n", wrong);
        (void)evbuffer_add_printf(out, "{\"error\": \"%s\"}\n", wrong);
    }
    (void)fflush(stdout);
    call_answer(call, wrong == NULL ? 204 : 401, "application/json", out);
    evbuffer_free(out);
}

static void add_arrival(struct evbuffer *out, const struct arrival *arrival)
{
    size_t shown = arrival->body_bytes < BODY_SHOWN_BYTES ? arrival->body_bytes : BODY_SHOWN_BYTES;
    (void)evbuffer_add_printf(out, "  {\"webhook_id\": ");
    answers_text(out, slice_from(arrival->id));
    (void)evbuffer_add_printf(out, ", \"at\": %lld, \"times\": %u, \"body_bytes\": %zu, \"body\": ",
                              (long long)(arrival->at / SEC), arrival->times, arrival->body_bytes);
    answers_text(out, slice_make(arrival->body, shown));
    (void)evbuffer_add(out, "}", 1);
}

void receiver_show(struct call *call)
{
    struct receiver *receiver = ((struct service *)call->service)->receiver;
    struct evbuffer *out = evbuffer_new();
    const char *separator = "";
    (void)evbuffer_add_printf(out, "{\"received\": [\n");
    for (size_t i = receiver->taken; i > first_kept(receiver); i--) {
        (void)evbuffer_add_printf(out, "%s", separator);
        add_arrival(out, arrival_at(receiver, i - 1));
        separator = ",\n";
    }
    (void)evbuffer_add_printf(out, "\n]}\n");
    call_answer(call, 200, "application/json", out);
    evbuffer_free(out);
}

/*
 * payments: a little of Stripe: payment intents from form-encoded bodies, with idempotency keys
 * and a card that is declined, and a list of customers with paging. It keeps the last intents.
 */
#include "base/digest.h"
#include "base/memory.h"
#include "gateway/demo/answers.h"
#include "gateway/demo/provider.h"
#include "gateway/demo/query.h"

#include <stdio.h>

#include <event2/buffer.h>

enum {
    INTENTS_KEPT = 200,
    KEY_MAX_BYTES = 256, /* an idempotency key has 255 characters at most */
    TEXT_MAX_BYTES = 64,
    BODY_MAX_BYTES = 16 << 10,
    PAGE_DEFAULT = 10,
    PAGE_MAX = 100,
    AMOUNT_MAX = 99999999,
};

struct intent {
    char id[DEMO_ID_BYTES];
    uint64_t amount;
    char currency[4];
    const char *status;
    long long created;
    char idempotency_key[KEY_MAX_BYTES];
    unsigned char body_digest[SHA256_BYTES];
    struct buffer body; /* the form, for its metadata */
};

/* A ring: the newest overwrites the oldest. */
struct payments {
    struct intent intents[INTENTS_KEPT];
    size_t made; /* since the start */
};

static const struct customer {
    const char *id;
    const char *name;
    const char *email;
} customers[] = {
    {"cus_demo0001", "Ada Lovelace", "ada@example.com"},
    {"cus_demo0002", "Grace Hopper", "grace@example.com"},
    {"cus_demo0003", "Edsger Dijkstra", "edsger@example.com"},
};

struct payments *payments_new(void)
{
    return MEMORY_NEW(struct payments);
}

void payments_free(struct payments *payments)
{
    for (size_t i = 0; payments != NULL && i < INTENTS_KEPT; i++) {
        buffer_fini(&payments->intents[i].body);
    }
    memory_free(payments);
}

static struct payments *payments_of(const struct call *call)
{
    const struct service *service = call->service;
    return service->payments;
}

static size_t kept(const struct payments *payments)
{
    return payments->made < INTENTS_KEPT ? payments->made : INTENTS_KEPT;
}

/* 0 is the newest. */
static struct intent *intent_at(struct payments *payments, size_t age)
{
    return &payments->intents[(payments->made - 1 - age) % INTENTS_KEPT];
}

static void refuse(struct call *call, unsigned status, const char *code, const char *param,
                   const char *message)
{
    const char *type = status == 402   ? "card_error"
                       : status == 409 ? "idempotency_error"
                                       : "invalid_request_error";
    answers_refuse(call, &(struct refusal){.status = status == 409 ? 400 : status,
                                           .type = type,
                                           .code = code,
                                           .param = param,
                                           .message = message});
}

/* metadata[name]=value, as an object of texts. */
static void add_metadata(struct evbuffer *out, struct slice form)
{
    struct query_pair pair;
    char name[TEXT_MAX_BYTES];
    char value[TEXT_MAX_BYTES * 8];
    const char *separator = "";
    (void)evbuffer_add_printf(out, "\"metadata\":{");
    while (query_next(&form, &pair)) {
        struct slice decoded = slice_make(name, query_decode(pair.name, name, sizeof(name)));
        if (!slice_starts_with(decoded, SLICE("metadata[")) || name[decoded.len - 1] != ']') {
            continue;
        }
        (void)evbuffer_add_printf(out, "%s", separator);
        answers_text(out, slice_make(name + 9, decoded.len - 10));
        (void)evbuffer_add(out, ":", 1);
        answers_text(out, slice_make(value, query_decode(pair.value, value, sizeof(value))));
        separator = ",";
    }
    (void)evbuffer_add(out, "}", 1);
}

static void add_intent(struct evbuffer *out, const struct intent *intent)
{
    (void)evbuffer_add_printf(
        out,
        "{\"id\":\"%s\",\"object\":\"payment_intent\",\"amount\":%llu,\"amount_received\":%llu,"
        "\"client_secret\":\"%s_secret_demo\",\"created\":%lld,\"currency\":\"%s\","
        "\"livemode\":false,\"status\":\"%s\",\"payment_method_types\":[\"card\"],",
        intent->id, (unsigned long long)intent->amount,
        slice_equal(slice_from(intent->status), SLICE("succeeded"))
            ? (unsigned long long)intent->amount
            : 0ULL,
        intent->id, intent->created, intent->currency, intent->status);
    add_metadata(out, buffer_bytes(&intent->body));
    (void)evbuffer_add(out, "}", 1);
}

static void answer_intent(struct call *call, const struct intent *intent)
{
    struct evbuffer *out = evbuffer_new();
    add_intent(out, intent);
    (void)evbuffer_add(out, "\n", 1);
    answers_json(call, 200, out);
    evbuffer_free(out);
}

/* True if the key was used before; then the call is answered. */
static bool answer_repeat(struct call *call, struct slice key, const unsigned char *digest)
{
    struct payments *payments = payments_of(call);
    for (size_t age = 0; age < kept(payments) && key.len > 0; age++) {
        const struct intent *intent = intent_at(payments, age);
        if (!slice_equal(slice_from(intent->idempotency_key), key)) {
            continue;
        }
        if (memcmp(digest, intent->body_digest, SHA256_BYTES) != 0) {
            refuse(call, 409, "idempotency_key_in_use", NULL,
                   "Keys for idempotent requests can only be used with the same parameters they "
                   "were first used with.");
            return true;
        }
        call_add_header(call, "Idempotent-Replayed", "true");
        answer_intent(call, intent);
        return true;
    }
    return false;
}

/* Answers and returns false if a parameter is missing or wrong. */
static bool read_intent(struct call *call, struct slice form, struct intent *ret)
{
    char text[TEXT_MAX_BYTES];
    struct slice amount = query_find(form, "amount");
    if (amount.len == 0) {
        refuse(call, 400, "parameter_missing", "amount", "Missing required param: amount.");
        return false;
    }
    if (!query_number(amount, &ret->amount) || ret->amount == 0 || ret->amount > AMOUNT_MAX) {
        refuse(call, 400, "parameter_invalid_integer", "amount", "Invalid integer: amount.");
        return false;
    }
    if (query_decode(query_find(form, "currency"), text, sizeof(text)) != 3) {
        refuse(call, 400, "parameter_missing", "currency", "Missing required param: currency.");
        return false;
    }
    for (size_t i = 0; i < 3; i++) {
        ret->currency[i] = ascii_lower(text[i]);
        if (ret->currency[i] < 'a' || ret->currency[i] > 'z') {
            refuse(call, 400, NULL, "currency", "Invalid currency.");
            return false;
        }
    }
    bool confirm = slice_equal(query_find(form, "confirm"), SLICE("true"));
    (void)query_decode(query_find(form, "payment_method"), text, sizeof(text));
    if (confirm && slice_equal(slice_from(text), SLICE("pm_card_chargeDeclined"))) {
        refuse(call, 402, "card_declined", NULL, "Your card was declined.");
        return false;
    }
    ret->status = confirm ? "succeeded" : "requires_payment_method";
    return true;
}

void payments_create_intent(struct call *call)
{
    struct payments *payments = payments_of(call);
    struct slice form = buffer_bytes(&call->body);
    struct slice key = call_header(call, "idempotency-key");
    struct intent made = {.created = (long long)(clock_wall() / SEC)};
    digest_sha256(form, made.body_digest);
    if (key.len >= KEY_MAX_BYTES || form.len > BODY_MAX_BYTES) {
        refuse(call, 400, NULL, NULL, "The idempotency key or the body is too long.");
        return;
    }
    if (answer_repeat(call, key, made.body_digest) || !read_intent(call, form, &made)) {
        return;
    }
    (void)answers_id("pi_", made.id);
    memcpy(made.idempotency_key, key.ptr == NULL ? "" : key.ptr, key.len);
    payments->made++;
    struct intent *intent = intent_at(payments, 0);
    buffer_fini(&intent->body);
    *intent = made;
    intent->body = call->body; /* taken over */
    buffer_init(&call->body, intent->body.max);
    answer_intent(call, intent);
}

void payments_show_intent(struct call *call)
{
    struct payments *payments = payments_of(call);
    struct slice id = slice_skip(call->path, SLICE("/v1/payment_intents/").len);
    char message[120];
    for (size_t age = 0; age < kept(payments); age++) {
        if (slice_equal(slice_from(intent_at(payments, age)->id), id)) {
            answer_intent(call, intent_at(payments, age));
            return;
        }
    }
    int shown = id.len > 60 ? 60 : (int)id.len;
    (void)snprintf(message, sizeof(message), "No such payment_intent: '%.*s'", shown, id.ptr);
    refuse(call, 404, "resource_missing", "intent", message);
}

static void begin_list(struct evbuffer *out, const char *url)
{
    (void)evbuffer_add_printf(out, "{\"object\":\"list\",\"url\":\"%s\",\"data\":[", url);
}

static void end_list(struct call *call, struct evbuffer *out, bool more)
{
    (void)evbuffer_add_printf(out, "],\"has_more\":%s}\n", more ? "true" : "false");
    answers_json(call, 200, out);
    evbuffer_free(out);
}

static size_t page_size(const struct call *call)
{
    uint64_t limit = call_number(call, "limit", PAGE_DEFAULT, PAGE_MAX);
    return limit == 0 ? PAGE_DEFAULT : (size_t)limit;
}

void payments_list_intents(struct call *call)
{
    struct payments *payments = payments_of(call);
    struct slice after = query_find(call->query, "starting_after");
    struct evbuffer *out = evbuffer_new();
    size_t count = kept(payments);
    size_t limit = page_size(call);
    size_t age = 0;
    while (after.len > 0 && age < count &&
           !slice_equal(slice_from(intent_at(payments, age)->id), after)) {
        age++;
    }
    age += after.len > 0;
    begin_list(out, "/v1/payment_intents");
    for (size_t i = 0; i < limit && age < count; i++, age++) {
        (void)evbuffer_add(out, ",", i > 0);
        add_intent(out, intent_at(payments, age));
    }
    end_list(call, out, age < count);
}

void payments_list_customers(struct call *call)
{
    const size_t count = sizeof(customers) / sizeof(customers[0]);
    struct slice after = query_find(call->query, "starting_after");
    struct evbuffer *out = evbuffer_new();
    size_t limit = page_size(call);
    size_t next = 0;
    while (after.len > 0 && next < count && !slice_equal(slice_from(customers[next].id), after)) {
        next++;
    }
    next += after.len > 0;
    begin_list(out, "/v1/customers");
    for (size_t i = 0; i < limit && next < count; i++, next++) {
        (void)evbuffer_add_printf(out,
                                  "%s{\"id\":\"%s\",\"object\":\"customer\",\"name\":\"%s\","
                                  "\"email\":\"%s\",\"created\":1735689600,\"livemode\":false,"
                                  "\"metadata\":{}}",
                                  i > 0 ? "," : "", customers[next].id, customers[next].name,
                                  customers[next].email);
    }
    end_list(call, out, next < count);
}

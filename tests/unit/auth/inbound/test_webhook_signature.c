/*
 * Every case of tests/data/webhooks/vectors.json (made for this project; all keys are test-only)
 * through webhook_verify(), as the ingress asks it: again, with the key, where one is needed.
 */
#include "auth/inbound/webhook_signature.h"
#include "base/buffer.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/http1.h"
#include "base/json.h"
#include "base/memory.h"

#include <stdio.h>

#include <criterion/criterion.h>

enum { LIST_MAX = 64, DATA_BYTES = 4 * 1024 * 1024 };

static struct webhook_schemes *schemes;
static struct cJSON *root;
static const struct cJSON *vectors;
static char *data; /* owned */
static size_t data_len;

static void set_up(void)
{
    static const struct json_limits limits = {
        .bytes = DATA_BYTES, .depth = 16, .names = JSON_NAMES_ANY};
    struct error err = {0};
    FILE *file = fopen(WEBHOOK_VECTORS, "rb");
    cr_assert(file != NULL, "%s", WEBHOOK_VECTORS);
    data = memory_alloc(DATA_BYTES);
    data_len = fread(data, 1, DATA_BYTES, file);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(webhook_schemes_new(&schemes, &err), STATUS_OK, "%s", err.message);
    cr_assert_eq(json_parse(slice_make(data, data_len), &limits, &root, &err), STATUS_OK, "%s",
                 err.message);
    vectors = json_get(root, "vectors");
}

static void tear_down(void)
{
    json_free(root);
    webhook_schemes_free(schemes);
    memory_free(data);
}

TestSuite(webhook_signature, .init = set_up, .fini = tear_down);

/* One vector, ready to be asked. */
struct vector {
    const struct cJSON *json;
    const struct webhook_scheme *scheme;
    struct webhook_request request;
    struct http1_field fields[LIST_MAX];
    struct slice secrets[LIST_MAX];
    struct slice topics[LIST_MAX];
    struct arena arena;
    struct buffer fetched;
};

static struct slice text_of(const struct cJSON *object, const char *name)
{
    struct slice text = SLICE("");
    (void)json_string(json_get(object, name), &text);
    return text;
}

static void read_fields(struct vector *vector, const struct cJSON *list)
{
    unsigned count = 0;
    for (const struct cJSON *pair = json_first(list); pair != NULL; pair = json_next(pair)) {
        struct http1_field *field = &vector->fields[count++];
        cr_assert(json_string(json_first(pair), &field->name));
        cr_assert(json_string(json_next(json_first(pair)), &field->value));
        field->value = slice_trim(field->value); /* as the codec gives it */
        field->hash = http1_name_hash(field->name);
    }
    vector->request.fields = vector->fields;
    vector->request.field_count = count;
}

static unsigned read_texts(struct slice *to, const struct cJSON *list)
{
    unsigned count = 0;
    for (const struct cJSON *item = json_first(list); item != NULL; item = json_next(item)) {
        cr_assert(json_string(item, &to[count++]));
    }
    return count;
}

static void vector_open(struct vector *vector, const struct cJSON *json)
{
    struct slice body = text_of(json, "body_base64");
    const struct cJSON *config = json_get(json, "config");
    uint64_t now = 0;
    *vector = (struct vector){.json = json};
    vector->scheme = webhook_schemes_find(schemes, text_of(json, "provider"));
    cr_assert(vector->scheme != NULL);
    buffer_init(&vector->fetched, DATA_BYTES);
    /* Exactly as long as it is, on the heap: a byte read behind it is seen by the sanitizer. */
    unsigned char *bytes = memory_alloc(body.len / 4 * 3 + 1);
    size_t len = 0;
    cr_assert_eq(decode_base64(body, bytes, &len), STATUS_OK);
    char *exact = memory_alloc(len == 0 ? 1 : len);
    memcpy(exact, bytes, len);
    memory_free(bytes);
    cr_assert(json_uint(json_get(json, "now"), &now));
    vector->request = (struct webhook_request){.method = text_of(json, "method"),
                                               .url = text_of(json, "url"),
                                               .body = slice_make(exact, len),
                                               .now = (int64_t)now,
                                               .secrets = vector->secrets,
                                               .topics = vector->topics,
                                               .audience = text_of(config, "audience"),
                                               .email = text_of(config, "email")};
    read_fields(vector, json_get(json, "headers"));
    vector->request.secret_count = read_texts(vector->secrets, json_get(json, "secrets"));
    vector->request.topic_count = read_texts(vector->topics, json_get(config, "topic_arns"));
}

static void vector_close(struct vector *vector)
{
    memory_free((void *)(uintptr_t)vector->request.body.ptr);
    buffer_fini(&vector->fetched);
    arena_fini(&vector->arena);
}

static void append(struct buffer *to, struct slice text)
{
    cr_assert_eq(buffer_append(to, text), STATUS_OK);
}

/* What would be fetched: the certificate of that URL, or all keys as a set. */
static void fetch(struct vector *vector, const struct webhook_result *need)
{
    struct buffer *to = &vector->fetched;
    const struct cJSON *certs = json_get(vector->json, "certs");
    vector->request.fetched_state = WEBHOOK_NOT_TO_BE_HAD;
    buffer_reset(to);
    if (need->need == WEBHOOK_NEEDS_CERTIFICATE) {
        const char *url = arena_copy(&vector->arena, need->need_name).ptr;
        struct slice name;
        if (json_string(json_get(certs, url), &name)) {
            name = arena_copy(&vector->arena, name);
            append(to, text_of(json_get(root, "certificates"), name.ptr));
            vector->request.fetched_state = WEBHOOK_FETCHED;
        }
    } else {
        append(to, SLICE("{\"keys\":["));
        const struct cJSON *all = json_get(vector->json, "jwks");
        for (const struct cJSON *key = json_first(all); key != NULL; key = json_next(key)) {
            append(to, key == json_first(all) ? SLICE("") : SLICE(","));
            cr_assert_eq(json_write(key, to), STATUS_OK);
        }
        append(to, SLICE("]}"));
        vector->request.fetched_state = WEBHOOK_FETCHED;
    }
    vector->request.fetched = buffer_bytes(to);
}

static struct webhook_result ask(struct vector *vector)
{
    struct webhook_result result;
    webhook_verify(vector->scheme, &vector->request, &vector->arena, &result);
    if (result.outcome == WEBHOOK_NEEDS) {
        fetch(vector, &result);
        webhook_verify(vector->scheme, &vector->request, &vector->arena, &result);
        vector->request.fetched_state = WEBHOOK_NOT_ASKED;
    }
    return result;
}

/* The vector of that id. */
static void open_named(struct vector *vector, const char *id)
{
    const struct cJSON *json = json_first(vectors);
    while (json != NULL && !slice_equal(text_of(json, "id"), slice_from(id))) {
        json = json_next(json);
    }
    cr_assert(json != NULL, "%s", id);
    vector_open(vector, json);
}

Test(webhook_signature, every_vector_is_answered_as_it_wants)
{
    unsigned count = 0;
    unsigned other_reasons = 0;
    for (const struct cJSON *json = json_first(vectors); json != NULL; json = json_next(json)) {
        struct vector vector;
        vector_open(&vector, json);
        struct webhook_result result = ask(&vector);
        const char *said = webhook_reason_name(result.reason);
        bool accepted = result.outcome == WEBHOOK_ACCEPTED;
        bool wanted = slice_equal(text_of(json, "expect"), SLICE("accept"));
        cr_expect_eq(accepted, wanted, "%.*s: %s", SLICE_ARG(text_of(json, "id")), said);
        if (!slice_equal(text_of(json, "reason"), slice_from(said))) {
            other_reasons++;
            (void)printf("%.*s: %s\n", SLICE_ARG(text_of(json, "id")), said);
        }
        count++;
        vector_close(&vector);
    }
    cr_expect_eq(count, 950U);
    cr_expect_leq(other_reasons, 60U, "%u reasons differ", other_reasons);
}

/* ---- what an answer holds ---- */

#define EXPECT_TEXT(text, wanted)                                                                  \
    cr_expect(slice_equal(text, SLICE(wanted)), "\"%.*s\"", SLICE_ARG(text))

Test(webhook_signature, an_accepted_one_says_its_id_type_and_time)
{
    struct vector vector;
    open_named(&vector, "stripe/valid");
    struct webhook_result result = ask(&vector);
    EXPECT_TEXT(result.event_id, "evt_1P0test");
    EXPECT_TEXT(result.event_type, "invoice.paid");
    cr_expect(result.event_id_signed);
    cr_expect_eq(result.timestamp, 1760000000);
    vector_close(&vector);
}

Test(webhook_signature, an_id_that_no_signature_covers_is_not_called_signed)
{
    struct vector vector;
    open_named(&vector, "github/valid");
    struct webhook_result result = ask(&vector);
    cr_expect_gt(result.event_id.len, 0U);
    cr_expect_not(result.event_id_signed);
    vector_close(&vector);
}

Test(webhook_signature, the_id_of_sns_is_the_signed_one_not_the_header)
{
    struct vector vector;
    open_named(&vector, "aws-sns/valid_version_2");
    for (unsigned i = 0; i < vector.request.field_count; i++) {
        if (slice_equal_nocase(vector.fields[i].name, SLICE("x-amz-sns-message-id"))) {
            vector.fields[i].value = SLICE("another");
        }
    }
    struct webhook_result result = ask(&vector);
    cr_expect_eq(result.outcome, WEBHOOK_ACCEPTED);
    EXPECT_TEXT(result.event_id, "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324");
    cr_expect(result.event_id_signed);
    vector_close(&vector);
}

Test(webhook_signature, a_refused_one_says_nothing_of_the_event)
{
    struct vector vector;
    open_named(&vector, "stripe/wrong_secret");
    struct webhook_result result = ask(&vector);
    cr_expect_eq(result.outcome, WEBHOOK_REFUSED);
    cr_expect_eq(result.event_id.len, 0U);
    cr_expect_eq(result.timestamp, 0);
    vector_close(&vector);
}

/* The unsigned header changes, what the hash is of does not. */
Test(webhook_signature, the_content_hash_does_not_depend_on_what_is_not_signed)
{
    struct vector one;
    struct vector two;
    open_named(&one, "mailgun/valid");
    open_named(&two, "mailgun/event_data_changed");
    struct webhook_result first = ask(&one);
    struct webhook_result second = ask(&two);
    cr_expect_eq(second.outcome, WEBHOOK_ACCEPTED);
    cr_expect_arr_eq(first.content_hash, second.content_hash, sizeof(first.content_hash));
    vector_close(&one);
    vector_close(&two);
}

/* ---- secrets ---- */

Test(webhook_signature, without_a_secret_nothing_is_accepted)
{
    static const char *const ids[] = {"stripe/valid",  "gitlab/valid", "paypal/valid",
                                      "discord/valid", "adyen/valid",  "hubspot-v2/valid"};
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
        struct vector vector;
        open_named(&vector, ids[i]);
        cr_expect_eq(ask(&vector).outcome, WEBHOOK_ACCEPTED, "%s", ids[i]);
        vector.request.secret_count = 0;
        cr_expect_eq(ask(&vector).outcome, WEBHOOK_REFUSED, "%s without", ids[i]);
        vector.request.secret_count = 1;
        vector.secrets[0] = SLICE("");
        cr_expect_eq(ask(&vector).outcome, WEBHOOK_REFUSED, "%s empty", ids[i]);
        vector_close(&vector);
    }
}

Test(webhook_signature, while_a_secret_is_rolled_both_the_old_and_the_new_match)
{
    struct vector vector;
    open_named(&vector, "github/valid");
    struct slice old = vector.secrets[0];
    vector.secrets[0] = SLICE("the-new-one");
    vector.request.secret_count = 1;
    cr_expect_eq(ask(&vector).reason, WEBHOOK_SIGNATURE_MISMATCH);
    vector.secrets[1] = old;
    vector.request.secret_count = 2;
    cr_expect_eq(ask(&vector).reason, WEBHOOK_OK);
    vector_close(&vector);
}

/* ---- headers ---- */

Test(webhook_signature, a_signature_header_that_stands_twice_is_refused)
{
    struct vector vector;
    open_named(&vector, "github/valid");
    unsigned last = vector.request.field_count;
    for (unsigned i = 0; i < last; i++) {
        vector.fields[last + i] = vector.fields[i];
    }
    vector.request.field_count = 2 * last;
    cr_expect_eq(ask(&vector).reason, WEBHOOK_HEADER_MALFORMED);
    vector_close(&vector);
}

Test(webhook_signature, more_signatures_than_are_looked_at_are_refused)
{
    static char text[64 * 1024];
    struct vector vector;
    struct slice *value = NULL;
    open_named(&vector, "stripe/valid");
    for (unsigned i = 0; i < vector.request.field_count; i++) {
        if (slice_equal_nocase(vector.fields[i].name, SLICE("stripe-signature"))) {
            value = &vector.fields[i].value;
        }
    }
    cr_assert(value != NULL);
    size_t len = value->len;
    memcpy(text, value->ptr, len);
    for (unsigned i = 0; i < 31; i++) {
        memcpy(text + len, ",v1=00", 6);
        len += 6;
    }
    *value = slice_make(text, len);
    cr_expect_eq(ask(&vector).reason, WEBHOOK_OK);
    memcpy(text + len, ",v1=00", 6);
    *value = slice_make(text, len + 6);
    cr_expect_eq(ask(&vector).reason, WEBHOOK_HEADER_MALFORMED);
    vector_close(&vector);
}

/* ---- pins and fetched keys ---- */

Test(webhook_signature, a_platform_without_its_pin_is_refused_before_anything_is_fetched)
{
    static const char *const ids[] = {"aws-sns/valid_version_2", "google-pubsub/valid"};
    for (size_t i = 0; i < 2; i++) {
        struct vector vector;
        struct webhook_result result;
        open_named(&vector, ids[i]);
        vector.request.topic_count = 0;
        vector.request.audience = SLICE("");
        webhook_verify(vector.scheme, &vector.request, &vector.arena, &result);
        cr_expect_eq(result.outcome, WEBHOOK_REFUSED, "%s", ids[i]);
        cr_expect_eq(result.reason, WEBHOOK_CLAIM_MISMATCH, "%s", ids[i]);
        vector_close(&vector);
    }
}

Test(webhook_signature, a_key_that_is_needed_is_named)
{
    struct vector vector;
    struct webhook_result result;
    open_named(&vector, "plaid/valid");
    webhook_verify(vector.scheme, &vector.request, &vector.arena, &result);
    cr_expect_eq(result.outcome, WEBHOOK_NEEDS);
    cr_expect_eq(result.need, WEBHOOK_NEEDS_KEY);
    EXPECT_TEXT(result.need_name, "bfbd5111-8e33-4643-8ced-b2e642a72f3c");
    vector_close(&vector);
}

Test(webhook_signature, a_certificate_out_of_its_time_is_none)
{
    struct vector vector;
    open_named(&vector, "paypal/valid"); /* its timestamp is not checked */
    cr_expect_eq(ask(&vector).reason, WEBHOOK_OK);
    vector.request.now = 2600000000; /* 2052; it ends with 2049 */
    cr_expect_eq(ask(&vector).reason, WEBHOOK_CERT_UNAVAILABLE);
    vector.request.now = 1500000000; /* 2017; it begins with 2020 */
    cr_expect_eq(ask(&vector).reason, WEBHOOK_CERT_UNAVAILABLE);
    vector_close(&vector);
}

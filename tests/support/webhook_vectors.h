/*
 * webhook_vectors: cases of tests/data/webhooks (made for this project; all keys are test-only),
 * and how they are asked: as the ingress does, again with the key where one is needed. For one test
 * program each.
 */
#pragma once

#include "auth/inbound/webhook_signature.h"
#include "base/buffer.h"
#include "base/encode.h"
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

static inline void vectors_open(const char *path)
{
    static const struct json_limits limits = {
        .bytes = DATA_BYTES, .depth = 16, .names = JSON_NAMES_ANY};
    struct error err = {0};
    FILE *file = fopen(path, "rb");
    cr_assert(file != NULL, "%s", path);
    data = memory_alloc(DATA_BYTES);
    data_len = fread(data, 1, DATA_BYTES, file);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(webhook_schemes_new(&schemes, &err), STATUS_OK, "%s", err.message);
    cr_assert_eq(json_parse(slice_make(data, data_len), &limits, &root, &err), STATUS_OK, "%s",
                 err.message);
    vectors = json_is_array(root) ? root : json_get(root, "vectors");
}

static inline void vectors_close(void)
{
    json_free(root);
    webhook_schemes_free(schemes);
    memory_free(data);
}

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

static inline struct slice text_of(const struct cJSON *object, const char *name)
{
    struct slice text = SLICE("");
    (void)json_string(json_get(object, name), &text);
    return text;
}

static inline void read_fields(struct vector *vector, const struct cJSON *list)
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

static inline unsigned read_texts(struct slice *to, const struct cJSON *list)
{
    unsigned count = 0;
    for (const struct cJSON *item = json_first(list); item != NULL; item = json_next(item)) {
        cr_assert(json_string(item, &to[count++]));
    }
    return count;
}

static inline void vector_open(struct vector *vector, const struct cJSON *json)
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

static inline void vector_close(struct vector *vector)
{
    memory_free((void *)(uintptr_t)vector->request.body.ptr);
    buffer_fini(&vector->fetched);
    arena_fini(&vector->arena);
}

static inline void append(struct buffer *to, struct slice text)
{
    cr_assert_eq(buffer_append(to, text), STATUS_OK);
}

/* What would be fetched: the certificate of that URL, or all keys as a set. */
static inline void fetch(struct vector *vector, const struct webhook_result *need)
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

static inline struct webhook_result ask(struct vector *vector)
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
static inline void open_named(struct vector *vector, const char *id)
{
    const struct cJSON *json = json_first(vectors);
    while (json != NULL && !slice_equal(text_of(json, "id"), slice_from(id))) {
        json = json_next(json);
    }
    cr_assert(json != NULL, "%s", id);
    vector_open(vector, json);
}

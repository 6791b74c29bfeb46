/*
 * echo: answers with what was received, so that one can see what a gateway sends. Credentials are
 * masked, but for /leak, which gives the credential away in every form that a gateway must know.
 */
#include "base/digest.h"
#include "base/encode.h"
#include "gateway/demo/answers.h"
#include "gateway/demo/provider.h"

#include <event2/buffer.h>
#include <evhtp.h>

enum { CREDENTIAL_MAX = 512, TAIL_SHOWN = 4 };

/* Scheme, length and the last characters: enough to tell two keys apart. */
static void add_masked(struct evbuffer *out, struct slice value)
{
    size_t space = slice_find(value, ' ');
    struct slice scheme = slice_make(value.ptr, space < value.len ? space + 1 : 0);
    struct slice secret = slice_skip(value, scheme.len);
    struct slice tail = secret.len > 2 * (size_t)TAIL_SHOWN
                            ? slice_skip(secret, secret.len - TAIL_SHOWN)
                            : slice_make(NULL, 0);
    (void)evbuffer_add_printf(out, "\"%.*s****%.*s (%zu characters)\"", SLICE_ARG(scheme),
                              SLICE_ARG(tail), secret.len);
}

static void add_headers(struct evbuffer *out, const struct call *call)
{
    const struct evhtp_kv *field = NULL;
    const char *separator = "";
    while ((field = call_next_header(call, field)) != NULL) {
        struct slice name = slice_make(field->key, field->klen);
        struct slice value = slice_make(field->val, field->vlen);
        (void)evbuffer_add_printf(out, "%s\n    [", separator);
        answers_text(out, name);
        (void)evbuffer_add(out, ", ", 2);
        if (answers_is_credential(name)) {
            add_masked(out, value);
        } else {
            answers_text(out, value);
        }
        (void)evbuffer_add(out, "]", 1);
        separator = ",";
    }
}

void echo_request(struct call *call)
{
    struct evbuffer *out = evbuffer_new();
    struct slice body = buffer_bytes(&call->body);
    unsigned char digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES];
    digest_sha256(body, digest);
    encode_hex(slice_make((const char *)digest, sizeof(digest)), hex);
    (void)evbuffer_add_printf(out, "{\n  \"method\": \"%s\",\n  \"path\": ", call->method);
    answers_text(out, call->path);
    (void)evbuffer_add_printf(out, ",\n  \"query\": ");
    answers_text(out, call->query);
    (void)evbuffer_add_printf(out, ",\n  \"headers\": [");
    add_headers(out, call);
    (void)evbuffer_add_printf(out,
                              "\n  ],\n  \"body_bytes\": %zu,\n  \"body_sha256\": \"%.*s\","
                              "\n  \"body\": ",
                              body.len, (int)sizeof(hex), hex);
    answers_text(out, body);
    (void)evbuffer_add(out, "\n}\n", 3);
    answers_json(call, 200, out);
    evbuffer_free(out);
}

static void add_form(struct evbuffer *out, const char *name, struct slice text)
{
    (void)evbuffer_add_printf(out, ",\n  \"%s\": ", name);
    answers_text(out, text);
}

void echo_leak(struct call *call)
{
    char key[CREDENTIAL_MAX];
    char encoded[2 * CREDENTIAL_MAX];
    struct slice secret = slice_make(key, answers_credential(call, key, sizeof(key)));
    struct buffer percent;
    struct evbuffer *out = evbuffer_new();
    buffer_init(&percent, 3 * sizeof(key));
    call_add_header(call, "X-Demo-Credential", key);
    (void)evbuffer_add_printf(out, "{\n  \"warning\": \"a provider that gives keys away\"");
    add_form(out, "plain", secret);
    add_form(out, "authorization", call_header(call, "authorization"));
    encode_hex(secret, encoded);
    add_form(out, "hex", slice_make(encoded, 2 * secret.len));
    add_form(out, "base64", slice_make(encoded, encode_base64(secret, encoded)));
    if (encode_percent(secret, &percent) == STATUS_OK) {
        add_form(out, "percent", buffer_bytes(&percent));
    }
    (void)evbuffer_add(out, "\n}\n", 3);
    answers_json(call, 200, out);
    buffer_fini(&percent);
    evbuffer_free(out);
}

#include "gateway/webhook/ingress_secrets.h"

#include "auth/inbound/webhook_scheme.h"
#include "auth/secrets/secret_store.h"
#include "base/buffer.h"
#include "base/encode.h"

static struct slice open_one(const struct hook_secret *secret, struct credential **ret_held)
{
    *ret_held = secret->slot == NULL ? NULL : credential_acquire(secret->slot);
    return *ret_held == NULL ? slice_make("", 0) : secret_reveal((*ret_held)->secret);
}

void ingress_secrets_open(const struct hook *hook, struct ingress_secrets *ret)
{
    *ret = (struct ingress_secrets){.count = hook->secret_count};
    for (unsigned i = 0; i < hook->secret_count; i++) {
        ret->secrets[i] = open_one(&hook->secrets[i], &ret->held[i]);
        ret->missing = ret->missing || ret->held[i] == NULL;
    }
    if (hook->verify_token.name != NULL) {
        ret->verify_token = open_one(&hook->verify_token, &ret->held[HOOK_SECRETS_MAX]);
    }
}

void ingress_secrets_close(struct ingress_secrets *secrets)
{
    for (unsigned i = 0; i <= HOOK_SECRETS_MAX; i++) {
        credential_unref(secrets->held[i]);
    }
    *secrets = (struct ingress_secrets){0};
}

/* "kid", "secret 1" to "secret 8". */
static enum status write_part(const struct ingress_secrets *secrets, struct slice kid,
                              struct slice part, struct buffer *out)
{
    static const struct slice secret = SLICE_INIT("secret ");
    uint64_t number = 0;
    if (slice_equal(part, SLICE("kid"))) {
        return encode_json(kid, out);
    }
    if (!slice_starts_with(part, secret) ||
        !slice_number(slice_skip(part, secret.len), secrets->count, &number) || number == 0 ||
        secrets->secrets[number - 1].len == 0) {
        return STATUS_INVALID;
    }
    return encode_json(secrets->secrets[number - 1], out);
}

static enum status write_body(const struct ingress_secrets *secrets, struct slice rest,
                              struct slice kid, struct buffer *out)
{
    while (rest.len > 0) {
        struct slice plain = slice_make(rest.ptr, slice_find(rest, '<'));
        rest = slice_skip(rest, plain.len + 1);
        TRY(buffer_append(out, plain));
        if (rest.len > 0) {
            struct slice part = slice_make(rest.ptr, slice_find(rest, '>'));
            rest = slice_skip(rest, part.len + 1);
            TRY(write_part(secrets, kid, part, out));
        }
    }
    return STATUS_OK;
}

enum status ingress_secrets_key_body(const struct hook *hook, struct slice kid, struct buffer *out)
{
    struct ingress_secrets secrets;
    ingress_secrets_open(hook, &secrets);
    enum status status = buffer_reserve(out, out->max); /* growing would leave copies behind */
    if (status == STATUS_OK) {
        status = write_body(&secrets, hook->scheme->key_set_body, kid, out);
    }
    ingress_secrets_close(&secrets);
    return status;
}

/*
 * ingress_secrets: the values of a hook's secrets, for as long as a signature is checked with them.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"
#include "config/hook.h"

struct buffer;
struct credential;

/* The slices live until ingress_secrets_close(). */
struct ingress_secrets {
    struct slice secrets[HOOK_SECRETS_MAX]; /* empty: not to be had now */
    unsigned count;
    bool missing; /* one of them is */
    struct slice verify_token;
    struct credential *held[HOOK_SECRETS_MAX + 1]; /* refs */
};

void ingress_secrets_open(const struct hook *hook, struct ingress_secrets *ret);
void ingress_secrets_close(struct ingress_secrets *secrets);

/* The scheme's key_set_body for the key of that id. STATUS_INVALID: it wants a secret that the hook
 * does not have. */
MUST_USE enum status ingress_secrets_key_body(const struct hook *hook, struct slice kid,
                                              struct buffer *out);

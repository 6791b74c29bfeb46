/*
 * webhook_check: one signed text against all signatures that it carries and all keys there are. For
 * the files of webhook_signature only.
 */
#pragma once

#include "auth/inbound/webhook_candidates.h"

#include <openssl/types.h>

/* `item`: NULL unless the scheme has items. `certificate_key`: NULL: the secrets are the keys. Adds
 * what is signed to ret->content_hash if it is right. */
enum webhook_reason webhook_check_signature(struct webhook_message *message,
                                            const struct webhook_candidates *candidates,
                                            const struct cJSON *item, EVP_PKEY *certificate_key,
                                            struct webhook_result *ret);

/* Is the secret itself sent? */
enum webhook_reason webhook_check_token(const struct webhook_message *message,
                                        const struct webhook_candidates *candidates);

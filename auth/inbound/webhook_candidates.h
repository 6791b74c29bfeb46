/*
 * webhook_candidates: the signatures that a message carries, as text. For the files of
 * webhook_signature only.
 */
#pragma once

#include "auth/inbound/webhook_message.h"

/* A message with more is refused: each costs a check. */
enum { WEBHOOK_CANDIDATES_MAX = 32 };

struct webhook_candidates {
    struct slice text[WEBHOOK_CANDIDATES_MAX]; /* without prefix, encoded */
    unsigned count;
};

/* Reads them, and message->timestamp where it is one of the pairs. At least one if WEBHOOK_OK.
 * `item` is NULL unless the scheme has items. */
enum webhook_reason webhook_candidates_read(struct webhook_message *message,
                                            const struct cJSON *item,
                                            struct webhook_candidates *ret);

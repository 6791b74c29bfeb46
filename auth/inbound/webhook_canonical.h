/*
 * webhook_canonical: the bytes that a webhook's signature is made of. For the files of
 * webhook_signature only.
 */
#pragma once

#include "auth/inbound/webhook_message.h"

struct buffer;

/* Bytes of URL, headers and decoded parameters beside the body. */
enum { WEBHOOK_BESIDE_BODY_BYTES = 64 * 1024 };

/* What of the message stands for this one check. */
struct webhook_signed {
    struct slice url;
    struct slice secret;      /* for {secret} */
    const struct cJSON *item; /* borrowed; for {item:} */
};

/* Appends them. WEBHOOK_OK, or why there are none. `out` may be left with a part of them. */
enum webhook_reason webhook_write_signed(struct webhook_message *message,
                                         const struct webhook_signed *from, struct buffer *out);

/* The URL with its standard port taken away or put in, whichever it lacks; the URL itself if it has
 * another port. */
struct slice webhook_other_url(struct slice url, struct arena *arena);

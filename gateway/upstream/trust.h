/*
 * trust: which certificates are believed, and which one is shown: a CA file and a client's
 * certificate, loaded once a worker, and what may only be shared among connections that agree in
 * these: TLS sessions.
 *
 * libcurl 7.88 would load the CA file for every multi anew, and with the system's directory for
 * every connection: a megabyte and milliseconds. Verification itself stays libcurl's, and on.
 */
#pragma once

#include "base/status.h"

#include <curl/curl.h>
#include <openssl/ssl.h>

struct link;
struct origin;
struct trust;

/* Zero-initialized is empty. */
struct trust_list {
    struct trust *first;   /* owned; in use for new connections */
    struct trust *retired; /* owned; replaced, but still used by connections */
};

void trust_list_fini(struct trust_list *list); /* all must have been given back */

/* That of the origin's files, counted as used until trust_give_back(). A file that has changed is
 * another trust. Loads nothing yet. */
struct trust *trust_take(struct trust_list *list, const struct origin *origin);
void trust_give_back(struct trust *trust);
/* Everything is loaded anew for the next connection. */
void trust_list_retire(struct trust_list *list);

/* Shares TLS sessions and names' addresses. */
CURLSH *trust_share(struct trust *trust);
/* For CURLOPT_SSL_CTX_FUNCTION: makes a connection's context believe this, small in memory, and
 * tell `link` of a close_notify and of buffers that linger. */
MUST_USE enum status trust_apply(struct trust *trust, SSL_CTX *ctx, struct link *link,
                                 struct error *err);

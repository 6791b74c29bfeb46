/*
 * peer_certificate: the certificate that a client has shown, and whether it is good. A session that
 * is resumed has the one that it began with.
 *
 * Unless gateway.tls.require, the handshake takes any, so that whoever shows a bad one is told why
 * over HTTP: nobody may go by a certificate that this file did not call good.
 */
#pragma once

#include "base/clock.h"
#include "base/slice.h"

#include <stdbool.h>

struct connection;

enum peer_certificate { PEER_CERTIFICATE_NONE, PEER_CERTIFICATE_GOOD, PEER_CERTIFICATE_BAD };

/* `wall`: now, for it may have expired since the handshake. BAD: *ret_why says what is wrong. */
enum peer_certificate peer_certificate_state(const struct connection *connection, usec_t wall,
                                             const char **ret_why);
/* Its URIs and DNS names (of subjectAltName alone), the first 16 of each certificate. */
void peer_certificate_names(const struct connection *connection,
                            void (*name)(void *ctx, bool is_uri, struct slice text), void *ctx);
/* A handshake has failed: if it was for the certificate, that is a refusal, which is audited. */
void peer_certificate_note_refused(const struct connection *connection);

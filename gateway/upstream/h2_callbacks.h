/* h2_callbacks: what nghttp2 tells of a connection's streams, handed to their attempts. */
#pragma once

#include <nghttp2/nghttp2.h>

struct attempt_h2;
struct h2_connection;

/* A client's session with these; NULL never. */
nghttp2_session *h2_session_new(struct h2_connection *connection);

/* Where a request's body is read from. */
nghttp2_data_provider h2_body_provider(void);

/* The stream is its connection's no longer. */
void h2_connection_detach(struct h2_connection *connection, struct attempt_h2 *attempt);

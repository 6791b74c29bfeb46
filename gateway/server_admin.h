/*
 * server_admin: what the admin listener shows and changes of the server. Main thread; `ctx` is the
 * struct server.
 */
#pragma once

#include "gateway/admin/admin_server.h"

struct server;

extern const struct admin_ops server_admin_ops;

/* Opens the listener as the config asks for it; nothing for `off`. */
MUST_USE enum status server_admin_start(struct server *server, struct error *err);
/* After a reload: its names and certificates are taken. `tls` is borrowed; NULL: none. */
void server_admin_adopt(struct server *server, struct ssl_ctx_st *tls);

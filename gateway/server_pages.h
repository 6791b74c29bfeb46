/* server_pages: the server as a whole as JSON, for the admin API. Main thread. */
#pragma once

#include "gateway/admin/admin_server.h"

struct server;

MUST_USE enum status server_page(const struct server *server, enum admin_page page,
                                 struct buffer *out, struct error *err);

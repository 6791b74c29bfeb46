/*
 * webhook_cert_url: may a certificate be fetched from where a message says that it is?
 */
#pragma once

#include "auth/inbound/webhook_scheme.h"

enum { WEBHOOK_CERT_URL_BYTES = 1024 };

/* https, one of the scheme's hosts, a path of harmless characters with the ending that it wants;
 * no port, user, query or fragment. */
bool webhook_cert_url_allowed(const struct webhook_scheme *scheme, struct slice url);

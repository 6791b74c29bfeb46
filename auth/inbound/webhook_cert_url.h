/*
 * webhook_cert_url: may what a message names be fetched: its certificate, its confirmation?
 */
#pragma once

#include "auth/inbound/webhook_scheme.h"

enum { WEBHOOK_CERT_URL_BYTES = 1024 };

/* https, one of the scheme's hosts, a path of harmless characters with the ending that it wants;
 * no port, user, query or fragment. */
bool webhook_cert_url_allowed(const struct webhook_scheme *scheme, struct slice url);

/* The same of a confirmation, whose path and query may be any, of visible ASCII. */
bool webhook_confirm_url_allowed(const struct webhook_scheme *scheme, struct slice url);

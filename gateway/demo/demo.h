/*
 * demo: the pretend provider as a whole: a loop of its own, the front, what the calls share.
 */
#pragma once

#include "base/status.h"

/* The key that is taken where the environment sets no other; long enough to be scrubbed. */
#define DEMO_KEY "sk-demo-0123456789abcdefghijklmnop"

/* The one that deliveries of webhooks are signed with, likewise: "whsec_" and base64. */
#define DEMO_WEBHOOK_SECRET "whsec_ZGVtby1vZi1zYWxseXBvcnQtMDEyMzQ1Njc4OQ=="

/* Says on stdout where it listens, and serves until SIGTERM or SIGINT. */
MUST_USE enum status demo_serve(const char *listen, const char *key, const char *webhook_secret,
                                struct error *err);

/*
 * connect_proxy: tells libcurl by which proxy a connection is made, and how the gateway logs in to
 * it. Never the environment's.
 */
#pragma once

#include "base/status.h"

#include <curl/curl.h>

struct outbound_proxy;

/* `proxy` NULL: none. STATUS_UNAVAILABLE: the secret with its login is not there, or is no
 * "user:password"; without that nothing is to be connected. */
MUST_USE enum status connect_proxy_set(CURL *easy, const struct outbound_proxy *proxy);

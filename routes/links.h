/*
 * links: the provider's Location and Link values as the client must see them, so that paging and
 * redirects stay inside the gateway. Pure.
 *
 * A reference whose origin is the route's, and whose path begins with base_url's path at a segment
 * border, is moved to the route's public base. One that names a path outside of that gets the
 * provider's origin, for the client would look it up at the gateway. Any other is left as it is: to
 * another origin, relative to the request's own path, with user info, or with a segment . or ..,
 * which could climb into another route.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

struct buffer;
struct route;

/* Appends the reference, rewritten where it must be. `public_base` is where the client sees the
 * route: "https://gw.internal/openai", without a trailing '/'. STATUS_TOO_LARGE if the buffer is
 * full; something may have been appended then. */
MUST_USE enum status links_rewrite_location(const struct route *route, struct slice public_base,
                                            struct slice value, struct buffer *out);

/* The same for each <reference> of a Link value (RFC 8288); the rest is kept byte for byte. */
MUST_USE enum status links_rewrite_link(const struct route *route, struct slice public_base,
                                        struct slice value, struct buffer *out);

/*
 * page: the pieces of a page in Prometheus' text format, for those who write parts of it.
 */
#pragma once

#include "base/clock.h"
#include "base/status.h"

struct buffer;
struct metrics;

/* The HELP and TYPE lines of sallyport_NAME. */
MUST_USE enum status page_put_family(struct buffer *out, const char *name, const char *type,
                                     const char *help);
/* name="value", escaped: values may hold anything. */
MUST_USE enum status page_put_label(struct buffer *out, const char *name, const char *value);
/* Microseconds as seconds, without zeros at the end. */
MUST_USE enum status page_put_seconds(struct buffer *out, usec_t duration);

/* All counters with labels (families.c). */
MUST_USE enum status page_put_families(const struct metrics *metrics, struct buffer *out);

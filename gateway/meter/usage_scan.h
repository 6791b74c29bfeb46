/*
 * usage_scan: finds the usage in an answer while it streams by: JSON bodies and event streams,
 * split anywhere, in constant memory, without a tree.
 *
 * It watches, it changes nothing. Event by event it also counts how much output there can have
 * been, so that a stream's reservation can be extended before it is used up; and it remembers what
 * is needed to end the stream in the provider's own grammar (stream_end.h).
 */
#pragma once

#include "base/slice.h"
#include "routes/usage.h"

#include <stdbool.h>
#include <stdint.h>

enum scanned_body {
    SCAN_JSON,
    SCAN_EVENTS, /* text/event-stream */
    SCAN_LINES,  /* each line is a JSON value: an event */
    SCAN_AMAZON, /* application/vnd.amazon.eventstream */
    SCAN_OTHER,  /* nothing in it is looked at */
};

struct object_scan;
struct usage_scan;
struct usage_figures;
struct usage_table;

/* The table is borrowed. */
struct usage_scan *usage_scan_new(const struct usage_table *table, enum scanned_body body);
void usage_scan_free(struct usage_scan *scan); /* takes NULL */

/* SCAN_JSON, before the first byte: what is read is told to `objects`, too, which is borrowed. */
void usage_scan_share(struct usage_scan *scan, struct object_scan *objects);

/* Looks at the next bytes, at most until the end of the event with which more output than
 * `output_covered` tokens may have been generated. Returns how many bytes were looked at: all,
 * unless that happened. (SCAN_JSON, SCAN_OTHER: always all.) */
size_t usage_scan_feed(struct usage_scan *scan, struct slice data, uint64_t output_covered);

/* Upper bound of the tokens generated so far: one a byte of generated text, or what the stream's
 * own usage says, if that is more. */
uint64_t usage_scan_output(const struct usage_scan *scan);

/* Estimate of the tokens of output where the answer does not tell: a token for 4 bytes of text,
 * rounded up; at least 1 if there was any answer. */
uint64_t usage_scan_output_estimate(const struct usage_scan *scan);

/* Before the first byte: what is known of places that are not in the answer's body, such as headers
 * and the request. */
void usage_scan_note(struct usage_scan *scan, const struct usage_figures *known);

/* The usage as far as it was told. False: none, or a broken one (negative, a string, twice in one
 * object, more than USAGE_TOKENS_MAX): then it is to be estimated. */
bool usage_scan_result(const struct usage_scan *scan, struct usage *ret);
/* Whether the stream's input was told (Anthropic's message_start), though not yet its output. */
bool usage_scan_input(const struct usage_scan *scan, struct usage *ret);

/* The model that the answer says it is of; empty: it does not say, or at too great length. At most
 * USAGE_MODEL_MAX bytes. */
enum { USAGE_MODEL_MAX = 128 };
struct slice usage_scan_model(const struct usage_scan *scan);

/* The stream has come to its own end ([DONE], message_stop, response.completed). */
bool usage_scan_ended(const struct usage_scan *scan);
/* At the end of an event: nothing of the next one has been seen. */
bool usage_scan_between_events(const struct usage_scan *scan);

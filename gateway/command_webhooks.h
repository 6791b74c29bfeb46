/*
 * command_webhooks: what the parts of `sallyport webhooks` share. Each part reads its own options:
 * argv[0] is "webhooks list" and the like.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stddef.h>

struct buffer;
struct command_line;

int command_webhooks_list(int argc, char **argv);
int command_webhooks_show(int argc, char **argv);
int command_webhooks_replay(int argc, char **argv);
int command_webhooks_drop(int argc, char **argv);
int command_webhooks_send(int argc, char **argv);

/* Which deliveries; NULL: nothing is said. */
struct webhooks_filter {
    const char *id, *hook, *target, *state, *type, *since, *until;
};

/* Appends "?name=value", or with '&' behind another one; nothing for NULL. */
MUST_USE enum status webhooks_put_parameter(struct buffer *target, const char *name,
                                            const char *value);
/* EXIT_DONE with the filter's parameters appended, or the exit code, with the reason said. Days are
 * of the config's time zone. */
int webhooks_put_filter(const struct command_line *line, const struct webhooks_filter *filter,
                        const char *config, struct buffer *target);

enum { WEBHOOKS_TEXT_MAX = 256 };

/* What a provider sent, as it may be shown on a terminal: without control characters, and cut where
 * it is longer. Returns `out`. */
const char *webhooks_shown(struct slice text, char out[WEBHOOKS_TEXT_MAX]);

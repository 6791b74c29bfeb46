/*
 * command_answer: what commands that ask the running gateway share: the call to its admin listener,
 * and reading the JSON that it answers with.
 */
#pragma once

#include "base/slice.h"
#include "gateway/admin_client.h"

#include <stdbool.h>
#include <stdint.h>

struct buffer;
struct cJSON;
struct command_line;

enum { COMMAND_ANSWER_MAX_BYTES = 64 * 1024 * 1024, COMMAND_TARGET_MAX_BYTES = 1500 };

/* EXIT_DONE with the answer appended to `out`, or the exit code, with the reason said. `config` is
 * the running gateway's. */
int command_ask(const struct command_line *line, const char *config, enum admin_call call,
                const char *target, struct buffer *out);
/* EXIT_DONE with the tree, which the caller frees, or the exit code, likewise. */
int command_parse_answer(const struct command_line *line, const struct buffer *answer,
                         struct cJSON **ret);

/* All of it for a command that only shows the answer: as it is (`json`), or by print(). Returns the
 * exit code. */
struct command_question {
    const char *config;
    enum admin_call call;
    const char *target;
    bool json;
    void (*print)(const struct cJSON *answer); /* to stdout */
};
int command_show(const struct command_line *line, const struct command_question *question);

/* A member's text; empty if it is none. */
struct slice command_text_of(const struct cJSON *item, const char *name);
/* A member's whole number; 0 if it is none. */
uint64_t command_number_of(const struct cJSON *item, const char *name);

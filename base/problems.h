/*
 * problems: everything that is wrong with a config, not only the first: a growing, capped list of
 * sentences with their places. A message says what is wrong and what to write, never a secret.
 * Beside it are warnings: a config that has only those is valid.
 */
#pragma once

#include "base/memory.h"
#include "base/status.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

/* Further ones are only counted. */
enum { PROBLEMS_MAX = 200, WARNINGS_MAX = 50 };

struct problem {
    const char *file;
    unsigned line;   /* from 1; 0: the file as a whole */
    unsigned column; /* from 1, in characters */
    unsigned order;  /* as found, among those of one place */
    const char *message;
};

/* Zero-initialized is an empty list. */
struct problems {
    struct arena arena;
    struct problem *list; /* owned */
    unsigned count;
    unsigned left_out; /* found beyond PROBLEMS_MAX */

    struct problem *warnings; /* owned */
    unsigned warning_count;
    unsigned warnings_left_out; /* found beyond WARNINGS_MAX */
};

void problems_fini(struct problems *problems);
struct problems *problems_new(void);
void problems_free(struct problems *problems); /* takes NULL */

/* Everything is copied. */
void problems_add(struct problems *problems, const char *file, unsigned line, unsigned column,
                  const char *format, ...) PRINTF_LIKE(5, 6);
void problems_add_args(struct problems *problems, const char *file, unsigned line, unsigned column,
                       const char *format, va_list args) __attribute__((format(printf, 5, 0)));

void problems_warn(struct problems *problems, const char *file, unsigned line, unsigned column,
                   const char *format, ...) PRINTF_LIKE(5, 6);

static inline bool problems_any(const struct problems *problems)
{
    return problems->count > 0;
}

/* Whether one more can only be counted, which it then is: no use to search for a good message. */
static inline bool problems_leave_out(struct problems *problems)
{
    bool full = problems->count >= PROBLEMS_MAX;
    problems->left_out += full;
    return full;
}

/* Both by file, line and column. */
void problems_sort(struct problems *problems);

/* "file:line:column: message" (or "file: message"), without a newline; cut if `size` is short. */
void problem_format(const struct problem *problem, char *out, size_t size);
/* Each as problem_format() has it, and a last line that says how many were left out. */
void problems_each(const struct problems *problems, void (*visit)(void *ctx, const char *line),
                   void *ctx);
void problems_print(const struct problems *problems, FILE *out);
/* Likewise of the warnings. */
void problems_each_warning(const struct problems *problems,
                           void (*visit)(void *ctx, const char *line), void *ctx);

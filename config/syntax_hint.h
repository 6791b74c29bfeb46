/*
 * syntax_hint: says what is wrong with a document's syntax, and what to write, in words that fit a
 * config file better than the YAML library's own.
 */
#pragma once

#include "base/slice.h"
#include "base/tree.h"

/* As the library says it; both texts may be NULL. Places count from 1. */
struct syntax_fault {
    const char *problem;
    unsigned line, column;
    const char *context;
    unsigned context_line, context_column; /* where the construct begins */
};

void syntax_fault_report(struct problems *problems, const char *file, struct slice text,
                         const struct syntax_fault *fault);

/* Reports the first byte that a document may not have: NUL and other control characters, bytes that
 * are not UTF-8. True if there was none. */
bool syntax_check_bytes(struct problems *problems, const char *file, struct slice text);

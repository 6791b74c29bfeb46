/*
 * status: how a function says that it failed, and why.
 *
 * A function that can fail returns enum status. If a person will want to know more, it takes a
 * struct error as its last parameter and fills it in. Nothing below gateway/ logs: it reports.
 */
#pragma once

#define MUST_USE          __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

enum status {
    STATUS_OK = 0,
    STATUS_INVALID,     /* the input breaks its contract */
    STATUS_NOT_FOUND,   /* nothing by that name */
    STATUS_DENIED,      /* the caller may not do this */
    STATUS_TIMEOUT,     /* it took longer than its deadline */
    STATUS_UNAVAILABLE, /* an upstream, store or file cannot be used now */
    STATUS_TOO_LARGE,   /* a bounded buffer would overflow */
    STATUS_CANCELED,    /* the one who asked no longer wants it */
    STATUS_COUNT        /* not a status; keep last */
};

struct error {
    enum status code;
    const char *file; /* where it was first reported; static string */
    int line;
    char message[400]; /* for an operator; never contains a secret */
};

const char *status_name(enum status status);

/* Fills *err (which may be NULL) and returns `code`, so that `return` can carry it. */
enum status error_set(struct error *err, enum status code, const char *file, int line,
                      const char *format, ...) PRINTF_LIKE(5, 6);

/* Puts "<context>: " before the message, to say which of many inputs failed. */
void error_prefix(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Leave the function with a failure. (The code is returned as it stands here, so that an analyzer
 * sees that it is not STATUS_OK.) */
#define FAIL(err, code, ...)                                                                       \
    do {                                                                                           \
        (void)error_set((err), (code), __FILE__, __LINE__, __VA_ARGS__);                           \
        return (code);                                                                             \
    } while (0)

/* Leave the function if `expr` failed; what must be released is released by CLEANUP(). */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        enum status try_status_ = (expr);                                                          \
        if (try_status_ != STATUS_OK) {                                                            \
            return try_status_;                                                                    \
        }                                                                                          \
    } while (0)

/* Run `function(&variable)` when the variable goes out of scope. */
#define CLEANUP(function) __attribute__((cleanup(function)))

/* Hand a pointer on: yields it and leaves NULL behind, so that CLEANUP() has nothing to free. */
#define TAKE(pointer)                                                                              \
    ({                                                                                             \
        __typeof__(pointer) take_value_ = (pointer);                                               \
        (pointer) = NULL;                                                                          \
        take_value_;                                                                               \
    })

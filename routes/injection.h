/*
 * injection: the places of a request that a credential goes to, and what stands around it there.
 * Pure: `gateway/exchange` writes them.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct arena;
struct buffer;

enum {
    INJECTIONS_MAX = 4,       /* places of one request */
    INJECTION_PIECES_MAX = 3, /* placeholders of one template */
};

enum injection_place {
    INJECT_HEADER,
    INJECT_QUERY, /* appended as NAME=value, percent-encoded; a caller's own NAME is removed */
    INJECT_PATH,  /* inserted between base path and REST, percent-encoded */
    INJECT_BASIC, /* header Authorization: Basic base64(value) */
    INJECT_BODY,  /* member at the top of a JSON object, or field of a form; a caller's is replaced
                   */
};

/* What a placeholder stands for. */
enum injection_part {
    INJECT_SECRET,   /* "{secret}": the whole */
    INJECT_USER,     /* "{user}": what is before its first colon */
    INJECT_PASSWORD, /* "{password}": what is behind it */
};

struct injection {
    enum injection_place place;
    struct slice name; /* of the header, parameter or member; "Authorization" for Basic */
    struct injection_piece {
        struct slice before; /* literal */
        enum injection_part part;
    } pieces[INJECTION_PIECES_MAX];
    unsigned piece_count;
    struct slice after; /* literal */
};

struct injections {
    const struct injection *list;
    unsigned count;  /* 0: nothing is injected */
    unsigned places; /* bits of the places that are among them */
    bool needs_pair; /* a template has {user} or {password}: the secret must have a colon */
    /* Where all of it is one header with the secret in it, which most are: the line around that,
     * made beforehand; else empty. */
    struct slice line_before, line_after; /* "Authorization: Bearer ", "\r\n" */
};

/* "header", "query", "path", "basic", "body". */
const char *injection_place_name(enum injection_place place);
/* False: it is none of them. */
bool injection_place_read(struct slice text, enum injection_place *ret);

/* Splits a template; pieces are parts of it. STATUS_INVALID: it has no placeholder, too many, or
 * one that is not known. */
MUST_USE enum status injection_template_read(struct slice text, struct injection *ret,
                                             struct error *err);
/* Whether its literals can be sent as they are: in a header anything that a field's value may have,
 * else few marks that need no encoding. */
MUST_USE enum status injection_literals_check(const struct injection *injection, struct error *err);
/* Whether it can stand beside those before it: a header, parameter or member only once, one path.
 */
MUST_USE enum status injection_beside_check(const struct injection *others, unsigned count,
                                            const struct injection *injection, struct error *err);
/* Fills in what follows from the list, which is borrowed. */
struct injections injections_of(struct arena *arena, const struct injection *list, unsigned count);

static inline bool injections_go_to(const struct injections *injections, enum injection_place place)
{
    return (injections->places & 1U << place) != 0;
}
/* Whether one goes into this header; `name` in any case. */
bool injections_has_header(const struct injections *injections, struct slice name);

/* A secret and its parts, borrowed. */
struct injection_values {
    struct slice secret, user, password;
};

/* Splits the secret at its first colon. False: it has none, so there are no parts. */
bool injection_values_split(struct slice secret, struct injection_values *ret);
struct slice injection_value(const struct injection_values *values, enum injection_part part);
/* Bytes of the template with its placeholders filled in. */
size_t injection_len(const struct injection *injection, const struct injection_values *values);
/* Appends the template with its placeholders filled in: as it is, or percent-encoded. */
MUST_USE enum status injection_write(const struct injection *injection,
                                     const struct injection_values *values, struct buffer *out);
MUST_USE enum status injection_write_encoded(const struct injection *injection,
                                             const struct injection_values *values,
                                             struct buffer *out);
/* Appends the template as it was written, for a person. */
MUST_USE enum status injection_template_write(const struct injection *injection,
                                              struct buffer *out);

/*
 * store_plan: a secret store that is asked over HTTP: what the config says of it, and the calls of
 * each kind of store. Pure: a kind writes a call and reads its answer; who sends it, and when, is
 * no matter of this folder (gateway/secrets does).
 */
#pragma once

#include "base/clock.h"
#include "base/http1.h"
#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>

struct buffer;
struct secret;
struct store_kind;
struct token_plan;

enum {
    STORE_CALL_MAX = 128 * 1024,   /* of a head, and of a body */
    STORE_ANSWER_MAX = 128 * 1024, /* more of an answer is refused */
    STORE_VALUE_MAX = 64 * 1024,
    STORE_VERSION_MAX = 64,
    STORE_NAMES_MAX = 256,
    STORE_TOKEN_MAX = 16 * 1024,
};

/* How a source proves who it is. */
enum store_auth {
    STORE_AUTH_TOKEN,      /* its credential is the token */
    STORE_AUTH_APPROLE,    /* Vault: role_id, and the credential is the secret_id */
    STORE_AUTH_KUBERNETES, /* Vault: role, and a service account's token from a file */
};

/* Where a name is that does not lie at the usual place. */
struct store_name {
    struct slice name;
    struct slice path;
    struct slice field; /* empty: the source's */
};

struct store_plan {
    const struct store_kind *kind;
    const char *id;    /* the same for plans that say the same */
    const char *where; /* for messages: "vault https://vault.internal:8200/secret/sallyport" */
    const char *authority;
    struct slice base;  /* path of the URL; may be empty */
    struct slice mount; /* Vault: of the secrets */
    struct slice path;  /* what names are under; may be empty */
    struct slice field; /* empty: the value is not taken apart */
    struct slice space; /* Vault: namespace; may be empty */
    unsigned version;   /* Vault: of its key-value store, 1 or 2 */
    enum store_auth auth;
    struct slice auth_mount;
    struct slice role;
    const char *token_file;         /* owned by the config; NULL: none */
    const char *credential;         /* the name of the source's own secret; NULL: it has none */
    struct slice region;            /* AWS */
    struct slice project;           /* Google */
    struct slice prefix;            /* of names in clouds' stores */
    const struct token_plan *token; /* of stores that want a token: how it is had; else NULL */
    const char *token_authority;    /* and where; */
    struct slice token_path;
    const struct store_name *names;
    unsigned name_count;
    usec_t refresh, max_stale, timeout;
};

/* What a call is made of. All borrowed. */
struct store_input {
    const struct store_plan *plan;
    struct slice credential; /* of the source; may be empty */
    struct slice identity;   /* what token_file has; may be empty */
    struct slice token;      /* of the session; empty while logging in */
    const char *name;        /* to be read; else NULL */
    usec_t wall;             /* since 1970 */
};

/* The buffers are the caller's: inited with STORE_CALL_MAX, reserved, wiped. The head is whole but
 * for Content-Length and the empty line. */
struct store_call {
    enum http1_method method;
    struct buffer *head;
    struct buffer *body;
};

/* What an answer to a login or a renewal has. */
struct store_session {
    struct secret *token; /* the caller's to free; NULL: as it was */
    usec_t life;          /* 0: it does not end, or nothing is known */
    bool renewable;
};

struct store_value {
    struct secret *secret;           /* the caller's to free */
    char version[STORE_VERSION_MAX]; /* by the store's own count; "": it has none */
};

struct store_answer {
    unsigned status;
    struct slice body;
};

/* Errors say what the store did, and quote nothing of its answers. Calls fail with STATUS_INVALID
 * (the credential is of no use) or STATUS_TOO_LARGE. Answers: STATUS_NOT_FOUND: the store says that
 * there is none; STATUS_DENIED: the session is refused; all others: the store fails. */
struct store_kind {
    const char *name; /* the type in the config */
    enum status (*login)(const struct store_input *input, struct store_call *ret,
                         struct error *err);
    enum status (*login_answer)(const struct store_input *input, const struct store_answer *answer,
                                struct store_session *ret, struct error *err);
    enum status (*renew)(const struct store_input *input, struct store_call *ret,
                         struct error *err);
    enum status (*renew_answer)(const struct store_input *input, const struct store_answer *answer,
                                struct store_session *ret, struct error *err);
    enum status (*read)(const struct store_input *input, struct store_call *ret, struct error *err);
    enum status (*read_answer)(const struct store_input *input, const struct store_answer *answer,
                               struct store_value *ret, struct error *err);
};

extern const struct store_kind store_vault;
extern const struct store_kind store_aws_secrets_manager;
extern const struct store_kind store_aws_ssm;
extern const struct store_kind store_gcp_secret_manager;
extern const struct store_kind store_azure_key_vault;

/* ---- what kinds share (store_plan.c) ---- */

/* Where the name lies. */
struct store_place {
    struct slice path; /* an entry's of `names`, whole; else the plan's, with `last` below it */
    struct slice last; /* empty: `path` is all */
    struct slice field;
};
struct store_place store_place_of(const struct store_plan *plan, const char *name);
/* One trailing line end less; STATUS_INVALID: empty, too long, or with control characters that are
 * neither tabs nor line ends. */
MUST_USE enum status store_take_value(struct slice text, struct secret **ret, struct error *err);
/* "METHOD PATH HTTP/1.1", Host and what all calls have; `path` begins with '/'. */
MUST_USE enum status store_head_begin(const struct store_input *input, const char *method,
                                      struct buffer *head);
MUST_USE enum status store_head_end_line(struct buffer *head, const struct store_plan *plan);
/* "NAME: VALUE"; STATUS_INVALID if a header cannot carry the value; err does not quote it. */
MUST_USE enum status store_head_field(struct buffer *head, struct slice name, struct slice value,
                                      struct error *err);
/* "/a/b" from "a/b", each segment percent-encoded. Nothing if it is empty. */
MUST_USE enum status store_put_path(struct slice path, struct buffer *head);
/* "503: it is sealed", say. */
enum status store_refusal(const struct store_answer *answer, struct error *err);

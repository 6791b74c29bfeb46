/*
 * profile: what is known of a provider: base URL, where SDKs put the key, how the credential is
 * injected, required headers, the shape of its errors. Built in as data (profiles/NAME.json; their
 * form is in profiles/README.md).
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"
#include "routes/advice.h"
#include "routes/call.h"
#include "routes/headers.h"
#include "routes/idempotency.h"
#include "routes/injection.h"
#include "routes/object.h"

#include <stdbool.h>

struct arena;

/* Where an SDK puts the key that is now a tenant key. */
enum slot_kind {
    SLOT_HEADER,         /* the value, after an optional prefix such as "Bearer " (any case) */
    SLOT_BASIC_USER,     /* Authorization: Basic, the part before ':' */
    SLOT_BASIC_PASSWORD, /* the part behind it */
    SLOT_QUERY,          /* a query parameter; it is removed from the target */
    SLOT_AWS,            /* Authorization: AWS4-HMAC-SHA256, the access key id */
    SLOT_PATH,           /* the first segment behind the route's path, behind the prefix; it is
                            removed; without a prefix only what has a tenant key's form */
};

struct slot {
    enum slot_kind kind;
    struct slice name;   /* lower-case header, or parameter; "authorization" for the basic kinds */
    struct slice prefix; /* may be empty */
    char until;          /* what ends the key, in a header; NUL: nothing does */
    struct slice parameter; /* in a header that is a list, "Scheme a=b, c=d": what stands before the
                               key's '='; empty: the header is none */
    uint32_t hash;          /* http1_name_hash(name) */
};

enum { PROFILE_SLOTS_MAX = 12 };

struct error_template {
    struct slice content_type;
    struct slice body; /* with {message} {type} {code} {status} {request_id}; JSON-escaped */
};

struct error_type {
    unsigned status;    /* 0: any other */
    struct slice error; /* only for this code of the gateway, as in X-Sallyport-Error; empty: any */
    struct slice type;
    struct slice code; /* empty: the gateway's own */
};

/* How a token is had for the secret: what a route's `token` says by default. Those of an object are
 * called "parameters.NAME". */
struct token_setting {
    struct slice name, value;
};

/* How its requests are signed; config/link_sign.c knows the schemes. */
struct profile_sign {
    struct slice scheme; /* empty: they are not */
    struct slice service;
    struct slice base_url; /* with "{region}" in it; empty: none */
};

/* Requests whose rate limits are counted by themselves: GitHub's search, for example. */
struct quota_domain {
    struct slice path; /* as in an allow rule */
    struct slice name;
};

enum { PROFILE_SDK_LINES_MAX = 3 };

/* How an app is pointed at the gateway. */
struct profile_sdk {
    struct slice language;     /* "JavaScript", "curl"; empty: nothing is said */
    struct slice package;      /* may be empty */
    const struct slice *lines; /* with {route} {origin} {path} {host} {key}, see
                                  routes/profiles/README.md */
    unsigned line_count;
};

struct profile {
    const char *name;
    const char *title;
    struct slice base_url;      /* empty for the generic profile: the route must say it */
    struct slice base_url_form; /* what to write for it: "https://PROJECT.example.com"; or empty */
    const struct slice *hosts;  /* in place of it: those that requests choose from (hosts.h) */
    unsigned host_count;
    bool http2; /* its API is spoken HTTP/2 to, unless a route says otherwise */
    struct slice docs_url;
    struct slice secret; /* what the secret is, in words: "KEY_ID:KEY_SECRET"; may be empty */
    struct injections injections;      /* where the credential goes */
    const struct token_setting *token; /* none: the secret itself is sent */
    unsigned token_count;
    struct profile_sign sign; /* by default where nothing is injected */
    const struct slot *slots;
    unsigned slot_count;
    const struct slot *path_slot; /* the one of them that is SLOT_PATH; NULL: none */
    struct slot user_token; /* header of an end user's own token, which goes through; name empty:
                               there is none */
    const struct header_setting *headers; /* required ones, sent if the caller sent none */
    unsigned header_count;
    struct error_template error;          /* body empty: RFC 9457 problem+json */
    const struct error_type *error_types; /* the one for any other status, if any, is the last */
    unsigned error_type_count;
    const struct call *calls; /* what its calls use; see call.h */
    unsigned call_count;
    const struct repeatable_call *repeatable; /* beside those of `calls` that are */
    unsigned repeatable_count;
    const struct object_rule *objects; /* what its calls make; the first that fits counts */
    unsigned object_count;
    struct advice_facts advice;
    struct idempotency_facts idempotency;
    const struct quota_domain *domains; /* the first that fits counts; none: the empty one */
    unsigned domain_count;
    bool domain_by_model;     /* each model has limits of its own, where it is known */
    struct slice health_path; /* of a call that does nothing, behind the base URL; may be empty */
    const struct slice *key_env; /* usual variables, e.g. OPENAI_API_KEY */
    unsigned key_env_count;
    const char *base_url_env;     /* what the SDK reads its base URL from; may be NULL */
    struct slice sdk_base_suffix; /* what an SDK's base URL has behind the route: "/v1" or "" */
    bool replaces;                /* an operator's own, in place of the built-in one of its name */
    struct profile_sdk sdk;
    const struct slice *notes; /* what else to know, a sentence or more each */
    unsigned note_count;
};

struct profile_set {
    const struct profile *profiles; /* sorted by name */
    unsigned count;
    const struct slice *header_slots; /* of all profiles, lower case, unique */
    unsigned header_slot_count;
};

enum { PROFILE_MAX_BYTES = 64 * 1024 };

/* Reads one, as a file NAME.json has it; everything is copied into the arena. */
MUST_USE enum status profile_read(struct arena *arena, struct slice name, struct slice json,
                                  struct profile *ret, struct error *err);
/* The JSON Schema (draft 2020-12) of such a file. */
struct slice profile_schema(void);
/* Whether each error that the gateway may make is what the profile's media type says, and has words
 * where the template shows some. */
MUST_USE enum status profile_check_errors(const struct profile *profile, struct error *err);
/* The profile's words for a status and the gateway's code: the first entry that fits, or NULL. */
const struct error_type *profile_error_type(const struct profile *profile, unsigned status,
                                            struct slice error);

/* Loads the built-in ones. An error is a bug of the data, found by a test. */
MUST_USE enum status profile_set_load(struct arena *arena, struct profile_set *ret,
                                      struct error *err);
/* Adds an operator's own, in place of those of the same name. They outlive the set. */
void profile_set_add(struct arena *arena, struct profile_set *set, const struct profile *own,
                     unsigned count);
const struct profile *profile_find(const struct profile_set *set, struct slice name);
/* The name that is most like `name`, or NULL. */
const char *profile_nearest(const struct profile_set *set, struct slice name);

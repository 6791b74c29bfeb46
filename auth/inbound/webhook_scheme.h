/*
 * webhook_scheme: how a provider signs its webhooks, as data (schemes/NAME.json, whose form is in
 * schemes/README.md). Read once, immutable then. What verifies by it is webhook_signature.
 */
#pragma once

#include "base/slice.h"
#include "base/status.h"

#include <stdbool.h>
#include <stdint.h>

enum webhook_algorithm {
    WEBHOOK_HMAC_SHA1,
    WEBHOOK_HMAC_SHA256,
    WEBHOOK_HMAC_SHA512,
    WEBHOOK_SHA256, /* a plain digest; the secret is one of the signed parts */
    WEBHOOK_ECDSA_P256,
    WEBHOOK_ED25519,
    WEBHOOK_RSA_SHA256,
    WEBHOOK_RSA_SNS, /* SHA-1 or SHA-256, as the message's SignatureVersion says */
    WEBHOOK_JWT_ES256,
    WEBHOOK_JWT_RS256,
    WEBHOOK_TOKEN, /* the secret itself is sent */
};

enum webhook_grammar {
    WEBHOOK_BARE,    /* prefix + signature */
    WEBHOOK_PAIRS,   /* key=value, separated */
    WEBHOOK_LIST,    /* prefix + signature, separated; other prefixes are skipped */
    WEBHOOK_INDEXED, /* one header a signature: "{n}" in its name is 1 to 100 */
    WEBHOOK_JWT,     /* prefix + compact JWS */
};

enum webhook_encoding {
    WEBHOOK_HEX,     /* lower case only */
    WEBHOOK_HEX_ANY, /* either case */
    WEBHOOK_BASE64,  /* padded, canonical */
    WEBHOOK_RAW,
};

/* How a configured secret becomes the key. */
enum webhook_key {
    WEBHOOK_KEY_TEXT, /* its bytes are the key */
    WEBHOOK_KEY_HEX,
    WEBHOOK_KEY_BASE64,
    WEBHOOK_KEY_CERTIFICATE, /* none: a certificate behind a URL that the message names */
    WEBHOOK_KEY_SET,         /* none: a JSON Web Key, found by its id */
};

enum webhook_unit { WEBHOOK_SECONDS, WEBHOOK_MILLISECONDS, WEBHOOK_RFC3339 };

/* What must be configured, because the signature proves the platform only. */
enum webhook_pin { WEBHOOK_PIN_NONE, WEBHOOK_PIN_TOPIC, WEBHOOK_PIN_AUDIENCE };

enum webhook_place_kind {
    WEBHOOK_NOWHERE,
    WEBHOOK_IN_HEADER,
    WEBHOOK_IN_JSON, /* of the body; name is an RFC 6901 pointer without escapes */
    WEBHOOK_IN_ITEM, /* of one of the body's items, relative to it */
    WEBHOOK_IN_FORM,
    WEBHOOK_IN_QUERY,
    WEBHOOK_IN_CLAIM, /* of the JWT */
    WEBHOOK_IN_PAIRS, /* of the signature header */
};

struct webhook_place {
    enum webhook_place_kind kind;
    bool is_signed; /* what stands there is covered by the signature */
    struct slice name;
};

enum webhook_part_kind {
    WEBHOOK_PART_TEXT, /* as it stands */
    WEBHOOK_PART_TIMESTAMP,
    WEBHOOK_PART_ID,
    WEBHOOK_PART_BODY,
    WEBHOOK_PART_METHOD,
    WEBHOOK_PART_URL,
    WEBHOOK_PART_URL_DECODED, /* HubSpot's: some escapes decoded */
    WEBHOOK_PART_SECRET,
    WEBHOOK_PART_FORM, /* Twilio's: the form's parameters, sorted */
    WEBHOOK_PART_CRC,  /* of the body, in decimal */
    WEBHOOK_PART_SNS,  /* Amazon SNS's lines of names and values */
    WEBHOOK_PART_HEADER,
    WEBHOOK_PART_JSON, /* must be there */
    WEBHOOK_PART_ITEM, /* may be absent: empty */
};

/* One piece of the signed bytes. */
struct webhook_part {
    enum webhook_part_kind kind;
    struct slice text; /* literal, header's name or pointer */
};

enum { WEBHOOK_PARTS_MAX = 16, WEBHOOK_TEXTS_MAX = 4 };

/* Absent ones are empty. */
struct webhook_texts {
    struct slice text[WEBHOOK_TEXTS_MAX];
    unsigned count;
};

struct webhook_places {
    struct webhook_place place[WEBHOOK_TEXTS_MAX];
    unsigned count;
};

enum { WEBHOOK_NO_TOLERANCE = -1 };

struct webhook_scheme {
    struct slice name;
    struct slice title;
    struct slice doc;
    enum webhook_algorithm algorithm;
    struct webhook_place signature;
    enum webhook_grammar grammar;
    struct slice prefix;
    struct slice separator;     /* one byte, of PAIRS and LIST */
    struct slice signature_key; /* of PAIRS */
    enum webhook_encoding encoding;
    struct slice signed_text; /* the template that `parts` are made of */
    struct webhook_part parts[WEBHOOK_PARTS_MAX];
    unsigned part_count;
    struct slice items; /* pointer of an array: each item has a signature of its own */
    enum webhook_key key;
    struct webhook_texts key_prefixes; /* taken off a secret, the first that fits */
    struct slice key_separator;        /* one byte: a secret may be several */
    struct webhook_place key_url;      /* of the certificate */
    struct webhook_texts key_hosts; /* it may be on; "*" is one label of three characters or more */
    struct slice key_path_end;
    struct slice key_set_url;  /* of the JSON Web Keys; https */
    struct slice key_set_body; /* JSON that is posted to it: "<kid>", "<secret 1>"...; empty: GET */
    struct webhook_place id;   /* {id} of the template */
    struct webhook_place timestamp;
    enum webhook_unit timestamp_unit;
    int64_t tolerance; /* seconds, both ways; WEBHOOK_NO_TOLERANCE: not checked */
    enum webhook_pin pin;
    struct webhook_texts issuers;    /* of the JWT; none: not looked at */
    struct webhook_place body_hash;  /* hex SHA-256 of the body, which must be right */
    struct webhook_texts requires;   /* "HEADER=VALUE" */
    struct webhook_texts aliases;    /* "HEADER=OTHER NAME" */
    bool url_ports;                  /* the URL may have been signed with or without its port */
    struct webhook_places event_ids; /* the first that is there */
    struct webhook_places event_types;
    /* The handshake, if it has one. */
    struct slice challenge_method;        /* empty: none */
    struct webhook_texts challenge_if;    /* "PLACE" or "PLACE=VALUE": all must hold */
    bool challenge_signed;                /* answered only if the signature is right */
    struct webhook_place challenge_token; /* must be what is configured */
    struct slice challenge_type;          /* media type of the answer */
    struct slice challenge_body;          /* "<PLACE>", "<mac-hex PLACE>", "<mac-base64 PLACE>" */
    struct webhook_place challenge_fetch; /* a URL to be fetched as the confirmation */
    /* How an event is acknowledged, if the provider wants other than 200 without a body. */
    unsigned answer_status; /* 0: 200 */
    struct slice answer_type;
    struct slice answer_body;
};

struct webhook_schemes;

/* All that are built in. Fails only if one of them is broken. */
MUST_USE enum status webhook_schemes_new(struct webhook_schemes **ret, struct error *err);
void webhook_schemes_free(struct webhook_schemes *schemes); /* takes NULL */
/* NULL: there is none of that name. Lives as long as `schemes`. */
const struct webhook_scheme *webhook_schemes_find(const struct webhook_schemes *schemes,
                                                  struct slice name);
unsigned webhook_schemes_count(const struct webhook_schemes *schemes);
const struct webhook_scheme *webhook_schemes_at(const struct webhook_schemes *schemes,
                                                unsigned index);

/* Is a secret of the operator's needed: to verify, to fetch the key, or to answer the handshake? */
bool webhook_scheme_wants_secret(const struct webhook_scheme *scheme);
/* Is the URL, as the provider has it, a part of what is signed? */
bool webhook_scheme_signs_url(const struct webhook_scheme *scheme);

/* "signed json /id", "header X-Id". */
MUST_USE enum status webhook_place_read(struct slice text, struct webhook_place *ret,
                                        struct error *err);

/* One, from JSON text; what it points to is in `arena`. Unknown members are refused. */
struct arena;
MUST_USE enum status webhook_scheme_read(struct slice name, struct slice json, struct arena *arena,
                                         struct webhook_scheme *ret, struct error *err);

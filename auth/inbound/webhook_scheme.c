/* webhook_scheme: the table of schemes, read from the JSON files that are built in. */
#include "auth/inbound/webhook_scheme.h"

#include "base/embedded.h"
#include "base/json.h"
#include "base/memory.h"

extern const struct embedded_file webhook_schemes_data[];

static const struct json_limits limits = {
    .bytes = (size_t)16 * 1024,
    .depth = 3,
    .names = JSON_NAMES_ONCE,
};

enum { SCHEMES_MAX = 256 };

struct webhook_schemes {
    struct arena arena;
    unsigned count;
    struct webhook_scheme all[SCHEMES_MAX];
};

enum kind { TEXT, BYTE, TEXTS, PLACE, PLACES, WORD, SECONDS, SUCCESS, FLAG };

struct word {
    const char *name;
    unsigned value;
};

/* clang-format off */
static const struct word algorithms[] = {
    {"hmac-sha1", WEBHOOK_HMAC_SHA1}, {"hmac-sha256", WEBHOOK_HMAC_SHA256},
    {"hmac-sha512", WEBHOOK_HMAC_SHA512}, {"sha256", WEBHOOK_SHA256},
    {"ecdsa-p256", WEBHOOK_ECDSA_P256}, {"ed25519", WEBHOOK_ED25519},
    {"rsa-sha256", WEBHOOK_RSA_SHA256}, {"rsa-sns", WEBHOOK_RSA_SNS},
    {"jwt-es256", WEBHOOK_JWT_ES256}, {"jwt-rs256", WEBHOOK_JWT_RS256},
    {"token", WEBHOOK_TOKEN}, {NULL, 0},
};
static const struct word grammars[] = {
    {"bare", WEBHOOK_BARE}, {"pairs", WEBHOOK_PAIRS}, {"list", WEBHOOK_LIST},
    {"indexed", WEBHOOK_INDEXED}, {"jwt", WEBHOOK_JWT}, {NULL, 0},
};
static const struct word encodings[] = {
    {"hex", WEBHOOK_HEX}, {"hex-any", WEBHOOK_HEX_ANY}, {"base64", WEBHOOK_BASE64},
    {"raw", WEBHOOK_RAW}, {NULL, 0},
};
static const struct word keys[] = {
    {"text", WEBHOOK_KEY_TEXT}, {"hex", WEBHOOK_KEY_HEX}, {"base64", WEBHOOK_KEY_BASE64},
    {"certificate", WEBHOOK_KEY_CERTIFICATE}, {"key-set", WEBHOOK_KEY_SET}, {NULL, 0},
};
static const struct word units[] = {
    {"s", WEBHOOK_SECONDS}, {"ms", WEBHOOK_MILLISECONDS}, {"rfc3339", WEBHOOK_RFC3339}, {NULL, 0},
};
static const struct word pins[] = {
    {"topic", WEBHOOK_PIN_TOPIC}, {"audience", WEBHOOK_PIN_AUDIENCE}, {NULL, 0},
};
static const struct word places[] = {
    {"header", WEBHOOK_IN_HEADER}, {"json", WEBHOOK_IN_JSON}, {"item", WEBHOOK_IN_ITEM},
    {"form", WEBHOOK_IN_FORM}, {"query", WEBHOOK_IN_QUERY}, {"claim", WEBHOOK_IN_CLAIM},
    {"pairs", WEBHOOK_IN_PAIRS}, {NULL, 0},
};
/* Of the template. Those that end in a colon take a name. */
static const struct word parts[] = {
    {"t", WEBHOOK_PART_TIMESTAMP}, {"id", WEBHOOK_PART_ID}, {"body", WEBHOOK_PART_BODY},
    {"method", WEBHOOK_PART_METHOD}, {"url", WEBHOOK_PART_URL},
    {"url_decoded", WEBHOOK_PART_URL_DECODED}, {"secret", WEBHOOK_PART_SECRET},
    {"form", WEBHOOK_PART_FORM}, {"crc", WEBHOOK_PART_CRC}, {"sns", WEBHOOK_PART_SNS},
    {"header:", WEBHOOK_PART_HEADER}, {"json:", WEBHOOK_PART_JSON},
    {"item:", WEBHOOK_PART_ITEM}, {NULL, 0},
};

#define AT(member) offsetof(struct webhook_scheme, member)
static const struct member {
    const char *name;
    enum kind kind;
    bool required;
    size_t offset;
    const struct word *words;
} members[] = {
    {"title", TEXT, true, AT(title), NULL},
    {"doc", TEXT, true, AT(doc), NULL},
    {"algorithm", WORD, true, AT(algorithm), algorithms},
    {"signature", PLACE, true, AT(signature), NULL},
    {"grammar", WORD, true, AT(grammar), grammars},
    {"prefix", TEXT, false, AT(prefix), NULL},
    {"separator", BYTE, false, AT(separator), NULL},
    {"signature_key", TEXT, false, AT(signature_key), NULL},
    {"encoding", WORD, false, AT(encoding), encodings},
    {"signed", TEXT, false, AT(signed_text), NULL},
    {"items", TEXT, false, AT(items), NULL},
    {"key", WORD, true, AT(key), keys},
    {"key_prefixes", TEXTS, false, AT(key_prefixes), NULL},
    {"key_separator", BYTE, false, AT(key_separator), NULL},
    {"key_url", PLACE, false, AT(key_url), NULL},
    {"key_hosts", TEXTS, false, AT(key_hosts), NULL},
    {"key_path_end", TEXT, false, AT(key_path_end), NULL},
    {"key_set_url", TEXT, false, AT(key_set_url), NULL},
    {"key_set_body", TEXT, false, AT(key_set_body), NULL},
    {"id", PLACE, false, AT(id), NULL},
    {"timestamp", PLACE, false, AT(timestamp), NULL},
    {"timestamp_unit", WORD, false, AT(timestamp_unit), units},
    {"tolerance", SECONDS, false, AT(tolerance), NULL},
    {"pin", WORD, false, AT(pin), pins},
    {"issuers", TEXTS, false, AT(issuers), NULL},
    {"body_hash", PLACE, false, AT(body_hash), NULL},
    {"requires", TEXTS, false, AT(requires), NULL},
    {"aliases", TEXTS, false, AT(aliases), NULL},
    {"url_ports", FLAG, false, AT(url_ports), NULL},
    {"event_id", PLACES, false, AT(event_ids), NULL},
    {"event_type", PLACES, false, AT(event_types), NULL},
    {"challenge_method", TEXT, false, AT(challenge_method), NULL},
    {"challenge_if", TEXTS, false, AT(challenge_if), NULL},
    {"challenge_signed", FLAG, false, AT(challenge_signed), NULL},
    {"challenge_token", PLACE, false, AT(challenge_token), NULL},
    {"challenge_type", TEXT, false, AT(challenge_type), NULL},
    {"challenge_body", TEXT, false, AT(challenge_body), NULL},
    {"challenge_fetch", PLACE, false, AT(challenge_fetch), NULL},
    {"answer_status", SUCCESS, false, AT(answer_status), NULL},
    {"answer_type", TEXT, false, AT(answer_type), NULL},
    {"answer_body", TEXT, false, AT(answer_body), NULL},
    {NULL, TEXT, false, 0, NULL},
};
/* clang-format on */

static bool find_word(const struct word *words, struct slice name, unsigned *ret)
{
    for (; words->name != NULL; words++) {
        if (slice_equal(slice_from(words->name), name)) {
            *ret = words->value;
            return true;
        }
    }
    return false;
}

enum status webhook_place_read(struct slice text, struct webhook_place *ret, struct error *err)
{
    static const struct slice mark = SLICE_INIT("signed ");
    unsigned kind = 0;
    if (slice_starts_with(text, mark)) {
        ret->is_signed = true;
        text = slice_skip(text, mark.len);
    }
    size_t space = slice_find(text, ' ');
    if (!find_word(places, slice_make(text.ptr, space), &kind) || space + 1 >= text.len) {
        FAIL(err, STATUS_INVALID, "\"%.*s\" is no place such as \"header X-Name\"",
             SLICE_ARG(text));
    }
    ret->kind = (enum webhook_place_kind)kind;
    ret->name = slice_skip(text, space + 1);
    bool is_pointer = kind == WEBHOOK_IN_JSON || kind == WEBHOOK_IN_ITEM;
    if (is_pointer && ret->name.ptr[0] != '/') {
        FAIL(err, STATUS_INVALID, "\"%.*s\" is no pointer such as /data/id", SLICE_ARG(ret->name));
    }
    return STATUS_OK;
}

static enum status read_list(const struct member *member, const struct cJSON *value, void *to,
                             struct arena *arena, struct error *err)
{
    struct webhook_texts *texts = to;
    struct webhook_places *found = to;
    if (!json_is_array(value) || json_count(value) > WEBHOOK_TEXTS_MAX) {
        FAIL(err, STATUS_INVALID, "%s: a list of at most %d is expected", member->name,
             WEBHOOK_TEXTS_MAX);
    }
    for (const struct cJSON *item = json_first(value); item != NULL; item = json_next(item)) {
        struct slice text;
        if (!json_string(item, &text)) {
            FAIL(err, STATUS_INVALID, "%s: texts are expected", member->name);
        }
        text = arena_copy(arena, text);
        if (member->kind == TEXTS) {
            texts->text[texts->count++] = text;
        } else {
            TRY(webhook_place_read(text, &found->place[found->count++], err));
        }
    }
    return STATUS_OK;
}

static enum status read_text(const struct member *member, struct slice text, void *to,
                             struct error *err)
{
    unsigned word = 0;
    if (member->kind == PLACE) {
        return webhook_place_read(text, to, err);
    }
    if (member->kind == WORD) {
        if (!find_word(member->words, text, &word)) {
            FAIL(err, STATUS_INVALID, "%s: unknown word \"%.*s\"", member->name, SLICE_ARG(text));
        }
        memcpy(to, &word, sizeof(word)); /* all of the enums are unsigned int */
        return STATUS_OK;
    }
    if (member->kind == BYTE && text.len != 1) {
        FAIL(err, STATUS_INVALID, "%s: one character is expected", member->name);
    }
    memcpy(to, &text, sizeof(text));
    return STATUS_OK;
}

static enum status read_member(const struct member *member, const struct cJSON *value,
                               struct webhook_scheme *scheme, struct arena *arena,
                               struct error *err)
{
    void *to = (char *)scheme + member->offset;
    uint64_t number = 0;
    struct slice text;
    if (member->kind == TEXTS || member->kind == PLACES) {
        return read_list(member, value, to, arena, err);
    }
    if (member->kind == SUCCESS) {
        if (!json_uint(value, &number) || number < 200 || number > 299) {
            FAIL(err, STATUS_INVALID, "%s: 200 to 299 is expected", member->name);
        }
        scheme->answer_status = (unsigned)number;
        return STATUS_OK;
    }
    if (member->kind == SECONDS) {
        if (!json_uint(value, &number) || number > 86400) {
            FAIL(err, STATUS_INVALID, "%s: 0 to 86400 is expected", member->name);
        }
        scheme->tolerance = (int64_t)number;
        return STATUS_OK;
    }
    if (member->kind == FLAG) {
        if (!json_bool(value, to)) {
            FAIL(err, STATUS_INVALID, "%s: true or false is expected", member->name);
        }
        return STATUS_OK;
    }
    if (!json_string(value, &text)) {
        FAIL(err, STATUS_INVALID, "%s: a text is expected", member->name);
    }
    return read_text(member, arena_copy(arena, text), to, err);
}

static enum status add_part(struct webhook_scheme *scheme, enum webhook_part_kind kind,
                            struct slice text, struct error *err)
{
    if (scheme->part_count == WEBHOOK_PARTS_MAX) {
        FAIL(err, STATUS_INVALID, "signed: more than %d parts", WEBHOOK_PARTS_MAX);
    }
    scheme->parts[scheme->part_count++] = (struct webhook_part){kind, text};
    return STATUS_OK;
}

/* "{name}" or "{name:argument}", without the braces. */
static enum status read_part(struct webhook_scheme *scheme, struct slice name, struct error *err)
{
    unsigned kind = 0;
    size_t colon = slice_find(name, ':');
    size_t len = colon < name.len ? colon + 1 : name.len;
    if (!find_word(parts, slice_make(name.ptr, len), &kind)) {
        FAIL(err, STATUS_INVALID, "signed: {%.*s} is unknown", SLICE_ARG(name));
    }
    return add_part(scheme, (enum webhook_part_kind)kind, slice_skip(name, len), err);
}

static enum status read_template(struct webhook_scheme *scheme, struct error *err)
{
    struct slice rest = scheme->signed_text;
    while (rest.len > 0) {
        size_t brace = slice_find(rest, '{');
        if (brace > 0) {
            TRY(add_part(scheme, WEBHOOK_PART_TEXT, slice_make(rest.ptr, brace), err));
            rest = slice_skip(rest, brace);
            continue;
        }
        size_t end = slice_find(rest, '}');
        if (end == rest.len) {
            FAIL(err, STATUS_INVALID, "signed: a { without }");
        }
        TRY(read_part(scheme, slice_make(rest.ptr + 1, end - 1), err));
        rest = slice_skip(rest, end + 1);
    }
    return STATUS_OK;
}

static bool has_part(const struct webhook_scheme *scheme, enum webhook_part_kind kind)
{
    for (unsigned i = 0; i < scheme->part_count; i++) {
        if (scheme->parts[i].kind == kind) {
            return true;
        }
    }
    return false;
}

static bool mentions(struct slice text, struct slice word)
{
    while (text.len > 0 && !slice_starts_with(text, word)) {
        text = slice_skip(text, 1);
    }
    return text.len > 0;
}

bool webhook_scheme_wants_secret(const struct webhook_scheme *scheme)
{
    bool is_published = scheme->key == WEBHOOK_KEY_CERTIFICATE || scheme->key == WEBHOOK_KEY_SET;
    return !is_published || has_part(scheme, WEBHOOK_PART_SECRET) ||
           mentions(scheme->key_set_body, SLICE("<secret")) ||
           mentions(scheme->challenge_body, SLICE("<mac-"));
}

bool webhook_scheme_signs_url(const struct webhook_scheme *scheme)
{
    return has_part(scheme, WEBHOOK_PART_URL) || has_part(scheme, WEBHOOK_PART_URL_DECODED);
}

static bool is_jwt(const struct webhook_scheme *scheme)
{
    return scheme->algorithm == WEBHOOK_JWT_ES256 || scheme->algorithm == WEBHOOK_JWT_RS256;
}

/* What must come together, so that no scheme verifies less than it seems to. */
static const char *contradiction_of_signature(const struct webhook_scheme *scheme)
{
    bool jwt = is_jwt(scheme);
    bool by_list = scheme->grammar == WEBHOOK_PAIRS || scheme->grammar == WEBHOOK_LIST;
    bool by_item = scheme->signature.kind == WEBHOOK_IN_ITEM;
    if (jwt != (scheme->grammar == WEBHOOK_JWT) || jwt != (scheme->key == WEBHOOK_KEY_SET)) {
        return "a JWT has the grammar jwt and the key key-set";
    }
    if ((jwt || scheme->algorithm == WEBHOOK_TOKEN) != (scheme->part_count == 0)) {
        return "all but tokens and JWTs say what is signed";
    }
    if (by_list != (scheme->separator.len > 0) ||
        (scheme->grammar == WEBHOOK_PAIRS) != (scheme->signature_key.len > 0)) {
        return "pairs have a separator and a signature_key, lists a separator";
    }
    if (by_item != (scheme->items.len > 0)) {
        return "items go with a signature in each item";
    }
    if (has_part(scheme, WEBHOOK_PART_TIMESTAMP) && scheme->timestamp.kind == WEBHOOK_NOWHERE) {
        return "{t} wants a timestamp";
    }
    if (has_part(scheme, WEBHOOK_PART_ID) != (scheme->id.kind != WEBHOOK_NOWHERE)) {
        return "{id} wants an id";
    }
    if ((scheme->algorithm == WEBHOOK_SHA256) && !has_part(scheme, WEBHOOK_PART_SECRET)) {
        return "a plain digest wants the {secret}";
    }
    return NULL;
}

/* Likewise of what is fetched and answered. */
static const char *contradiction_of_calls(const struct webhook_scheme *scheme)
{
    bool by_url = scheme->key == WEBHOOK_KEY_CERTIFICATE;
    if (by_url != (scheme->key_url.kind != WEBHOOK_NOWHERE) ||
        by_url != (scheme->key_hosts.count > 0)) {
        return "a certificate has key_url and key_hosts";
    }
    if (scheme->challenge_fetch.kind != WEBHOOK_NOWHERE &&
        (!scheme->challenge_signed || scheme->key_hosts.count == 0)) {
        return "a confirmation is fetched only if it is signed, from one of key_hosts";
    }
    if (scheme->key_set_url.len > 0 &&
        (!is_jwt(scheme) || !slice_starts_with(scheme->key_set_url, SLICE("https://")))) {
        return "a key_set_url is of a JWT, and https";
    }
    if (scheme->key_set_body.len > 0 && scheme->key_set_url.len == 0) {
        return "a key_set_body goes to a key_set_url";
    }
    if ((scheme->answer_body.len > 0) != (scheme->answer_type.len > 0)) {
        return "an answer_body has an answer_type";
    }
    return NULL;
}

static const char *contradiction(const struct webhook_scheme *scheme)
{
    const char *why = contradiction_of_signature(scheme);
    return why != NULL ? why : contradiction_of_calls(scheme);
}

static const struct member *find_member(const char *name)
{
    const struct member *member = members;
    while (member->name != NULL && strcmp(member->name, name) != 0) {
        member++;
    }
    return member->name == NULL ? NULL : member;
}

enum status webhook_scheme_read(struct slice name, struct slice json, struct arena *arena,
                                struct webhook_scheme *ret, struct error *err)
{
    struct cJSON *root CLEANUP(json_free_at) = NULL;
    *ret = (struct webhook_scheme){.name = name, .tolerance = WEBHOOK_NO_TOLERANCE};
    TRY(json_parse(json, &limits, &root, err));
    if (!json_is_object(root)) {
        FAIL(err, STATUS_INVALID, "an object is expected");
    }
    for (const struct cJSON *value = json_first(root); value != NULL; value = json_next(value)) {
        const struct member *member = find_member(json_name(value));
        if (member == NULL) {
            FAIL(err, STATUS_INVALID, "unknown member \"%s\"", json_name(value));
        }
        TRY(read_member(member, value, ret, arena, err));
    }
    for (const struct member *member = members; member->name != NULL; member++) {
        if (member->required && json_get(root, member->name) == NULL) {
            FAIL(err, STATUS_INVALID, "%s is missing", member->name);
        }
    }
    TRY(read_template(ret, err));
    const char *wrong = contradiction(ret);
    if (wrong != NULL) {
        FAIL(err, STATUS_INVALID, "%s", wrong);
    }
    return STATUS_OK;
}

static void free_at(struct webhook_schemes **schemes)
{
    webhook_schemes_free(*schemes);
}

enum status webhook_schemes_new(struct webhook_schemes **ret, struct error *err)
{
    struct webhook_schemes *schemes CLEANUP(free_at) = MEMORY_NEW(struct webhook_schemes);
    static const struct slice suffix = SLICE_INIT(".json");
    for (const struct embedded_file *file = webhook_schemes_data; file->name != NULL; file++) {
        struct slice name = slice_make(file->name, strlen(file->name) - suffix.len);
        if (schemes->count == SCHEMES_MAX) {
            FAIL(err, STATUS_TOO_LARGE, "more than %d webhook schemes", SCHEMES_MAX);
        }
        enum status status =
            webhook_scheme_read(name, slice_make(file->bytes, file->len), &schemes->arena,
                                &schemes->all[schemes->count], err);
        if (status != STATUS_OK) {
            error_prefix(err, "webhook scheme %s", file->name);
            return status;
        }
        schemes->count++;
    }
    *ret = TAKE(schemes);
    return STATUS_OK;
}

void webhook_schemes_free(struct webhook_schemes *schemes)
{
    if (schemes != NULL) {
        arena_fini(&schemes->arena);
        memory_free(schemes);
    }
}

const struct webhook_scheme *webhook_schemes_find(const struct webhook_schemes *schemes,
                                                  struct slice name)
{
    for (unsigned i = 0; i < schemes->count; i++) {
        if (slice_equal(schemes->all[i].name, name)) {
            return &schemes->all[i];
        }
    }
    return NULL;
}

unsigned webhook_schemes_count(const struct webhook_schemes *schemes)
{
    return schemes->count;
}

const struct webhook_scheme *webhook_schemes_at(const struct webhook_schemes *schemes,
                                                unsigned index)
{
    return &schemes->all[index];
}

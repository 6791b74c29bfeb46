/* A source of secrets that is asked over the network. */
#include "auth/secrets/secret_name.h"
#include "config/link.h"
#include "config/listen_address.h"
#include "config/remote_store.h"
#include "config/url.h"

#define SERVICE_ACCOUNT_TOKEN "/var/run/secrets/kubernetes.io/serviceaccount/token"

/* What is put together. */
struct making {
    const struct link *link;
    const struct secret_source_section *section;
    const struct outbound_proxy *proxy; /* NULL: none */
    struct remote_store *store;
    bool usable;
};

static const struct store_kind *kind_of(unsigned type)
{
    static const struct store_kind *const kinds[SECRET_SOURCE_KINDS] = {
        [SECRET_SOURCE_VAULT] = &store_vault,
        [SECRET_SOURCE_AWS_SECRETS_MANAGER] = &store_aws_secrets_manager,
        [SECRET_SOURCE_AWS_SSM] = &store_aws_ssm,
        [SECRET_SOURCE_GCP_SECRET_MANAGER] = &store_gcp_secret_manager,
        [SECRET_SOURCE_AZURE_KEY_VAULT] = &store_azure_key_vault,
    };
    return kinds[type];
}

/* "a/b": what a path of a store may be. */
static bool is_path(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~' || strchr("?#%\\", text.ptr[i]) != NULL) {
            return false;
        }
    }
    for (struct slice rest = text; rest.len > 0;) {
        struct slice segment = slice_make(rest.ptr, slice_find(rest, '/'));
        rest = slice_skip(rest, segment.len + 1);
        if (slice_equal(segment, SLICE(".")) || slice_equal(segment, SLICE(".."))) {
            return false;
        }
    }
    return true;
}

/* Without the '/' at its ends. */
static struct slice set_path(struct making *making, const struct tree *given, const char *usual)
{
    struct slice text = given == NULL ? slice_from(usual) : given->text;
    if (!is_path(text)) {
        tree_report(making->link->problems, given,
                    "is no path of a store; write names with '/' between them, no '?', '#', '%%' "
                    "and \"..\"");
        making->usable = false;
        return SLICE("");
    }
    while (text.len > 0 && text.ptr[0] == '/') {
        text = slice_skip(text, 1);
    }
    while (text.len > 0 && text.ptr[text.len - 1] == '/') {
        text.len--;
    }
    return link_keep_slice(making->link, text);
}

/* ---- where it is ---- */

static struct url read_url(struct making *making, const struct tree *given, const char *usual)
{
    struct error err;
    struct url url = {0};
    if (given == NULL && usual == NULL) {
        making->usable = false; /* reported: it is missing */
        return url;
    }
    struct slice text = given == NULL ? slice_from(usual) : given->text;
    enum status status = url_parse(making->link->arena, text, &url, &err);
    /* What goes over a network without TLS is no secret. */
    if (status == STATUS_OK && !url.tls && !listen_address_is_loopback(slice_from(url.host))) {
        status = error_set(&err, STATUS_INVALID, __FILE__, __LINE__,
                           "secrets come from there; write https://");
    }
    if (status != STATUS_OK) {
        link_report(making->link, given == NULL ? making->section->node : given, "a store's URL",
                    &err);
        making->usable = false;
    }
    return url;
}

static struct origin origin_of(const struct making *making, const struct url *url)
{
    const char *ca = url->tls ? link_keep(making->link, making->section->ca) : NULL;
    if (making->proxy != NULL && !url->tls) {
        tree_report(making->link->problems, making->section->proxy,
                    "%s is on this machine, where no proxy leads to; take this out, or write an "
                    "https URL",
                    url->authority);
    }
    return link_make_origin(making->link, url, ca, making->proxy);
}

/* Where a cloud has it; NULL: that has to be said. */
static const char *usual_url(const struct making *making)
{
    const struct tree *region = making->section->region;
    const char *service = making->section->type == SECRET_SOURCE_AWS_SSM ? "ssm" : "secretsmanager";
    if (making->section->type == SECRET_SOURCE_GCP_SECRET_MANAGER) {
        return "https://secretmanager.googleapis.com";
    }
    bool aws = making->section->type == SECRET_SOURCE_AWS_SSM ||
               making->section->type == SECRET_SOURCE_AWS_SECRETS_MANAGER;
    return !aws || region == NULL
               ? NULL
               : arena_print(making->link->arena, "https://%s.%.*s.amazonaws.com", service,
                             SLICE_ARG(region->text));
}

static void set_place(struct making *making)
{
    struct url url = read_url(making, making->section->url, usual_url(making));
    if (making->usable) {
        making->store->origin = origin_of(making, &url);
        making->store->plan.authority = url.authority;
        making->store->plan.base = url.path;
    }
}

/* ---- how it is logged in to ---- */

static void set_credential(struct making *making, const struct tree *secret)
{
    if (secret == NULL) {
        making->usable = false; /* reported by fields */
        return;
    }
    link_check_secret(making->link, secret);
    if (making->store->above == 0) {
        tree_report(making->link->problems, secret,
                    "a source's own secret comes from the sources above it, and there is none; "
                    "write one above, such as - {type: env}");
    }
    making->store->plan.credential = link_keep_slice(making->link, secret->text).ptr;
}

static struct slice set_text(struct making *making, const struct tree *given)
{
    return given == NULL ? SLICE("") : link_keep_slice(making->link, given->text);
}

/* ---- of clouds ---- */

/* The token that the store wants is had as a route's would be. */
static void set_token(struct making *making, const char *grant, const char *scope,
                      const char *usual)
{
    struct store_plan *plan = &making->store->plan;
    struct token_plan *token = &making->store->token;
    const struct tree *given = making->section->token_url;
    struct url url = read_url(making, given, usual);
    if (!making->usable) {
        return;
    }
    token->grant = token_grant_find(slice_from(grant));
    token->values[TOKEN_URL] =
        given == NULL ? slice_from(usual) : link_keep_slice(making->link, given->text);
    token->values[TOKEN_SCOPE] = slice_from(scope);
    token->lifetime = 1800 * SEC;
    making->store->token_origin = origin_of(making, &url);
    plan->token = token;
    plan->token_authority = url.authority;
    plan->token_path = url.path.len > 0 ? url.path : SLICE("/");
}

static bool is_directory(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_alphanumeric(text.ptr[i]) && strchr("._-", text.ptr[i]) == NULL) {
            return false;
        }
    }
    return text.len > 0;
}

static void set_azure_token(struct making *making)
{
    const struct tree *directory = making->section->directory;
    if (directory == NULL) {
        making->usable = false; /* reported: it is missing */
        return;
    }
    if (!is_directory(directory->text)) {
        tree_report(making->link->problems, directory,
                    "is no tenant of Microsoft Entra ID; write its id or domain");
        making->usable = false;
        return;
    }
    set_token(making, "azure_client", "https://vault.azure.net/.default",
              arena_print(making->link->arena,
                          "https://login.microsoftonline.com/%.*s/oauth2/v2.0/token",
                          SLICE_ARG(directory->text)));
}

static void set_cloud(struct making *making)
{
    const struct secret_source_section *section = making->section;
    struct store_plan *plan = &making->store->plan;
    plan->region = set_text(making, section->region);
    plan->project = set_text(making, section->project);
    plan->prefix =
        section->prefix == NULL ? SLICE("") : slice_from(link_keep(making->link, section->prefix));
    if (!is_path(plan->prefix)) {
        tree_report(making->link->problems, tree_get(section->node, "prefix"),
                    "no name in a store begins so; write letters, digits, '-', '_' and '/'");
    }
    if (tree_get(section->node, "credential") != NULL) {
        set_credential(making, section->credential.secret);
    }
    if (section->type == SECRET_SOURCE_GCP_SECRET_MANAGER) {
        set_token(making, "google_service_account",
                  "https://www.googleapis.com/auth/cloud-platform",
                  "https://oauth2.googleapis.com/token");
    } else if (section->type == SECRET_SOURCE_AZURE_KEY_VAULT) {
        set_azure_token(making);
    }
}

/* ---- of Vault ---- */

static void set_auth(struct making *making)
{
    struct store_plan *plan = &making->store->plan;
    const struct store_auth_section *auth = &making->section->auth;
    const struct tree *node = tree_get(making->section->node, "auth");
    const struct tree *token = tree_get(node, "token");
    const struct tree *approle = tree_get(node, "approle");
    const struct tree *kubernetes = tree_get(node, "kubernetes");
    unsigned count =
        (token != NULL ? 1U : 0) + (approle != NULL ? 1U : 0) + (kubernetes != NULL ? 1U : 0);
    if (node == NULL || node->faulty) {
        making->usable = false;
    } else if (count != 1) {
        tree_report(making->link->problems, node,
                    "has %u of token, approle and kubernetes; write one of them", count);
        making->usable = false;
    } else if (token != NULL) {
        plan->auth = STORE_AUTH_TOKEN;
        set_credential(making, auth->token.secret);
    } else if (approle != NULL) {
        plan->auth = STORE_AUTH_APPROLE;
        plan->auth_mount = set_path(making, auth->approle.mount, "approle");
        plan->role = set_text(making, auth->approle.role_id);
        set_credential(making, auth->approle.secret_id.secret);
    } else {
        plan->auth = STORE_AUTH_KUBERNETES;
        plan->auth_mount = set_path(making, auth->kubernetes.mount, "kubernetes");
        plan->role = set_text(making, auth->kubernetes.role);
        plan->token_file = auth->kubernetes.token_file == NULL
                               ? SERVICE_ACCOUNT_TOKEN
                               : link_keep(making->link, auth->kubernetes.token_file);
    }
}

/* ---- names ---- */

/* "PATH" or "PATH#FIELD". */
static void set_name(struct making *making, const struct tree *item, struct store_name *ret)
{
    struct slice path = slice_make(item->text.ptr, slice_find(item->text, '#'));
    struct slice field = slice_skip(item->text, path.len + 1);
    if (!secret_name_valid(item->key->text)) {
        tree_report(making->link->problems, item,
                    "no secret can be called so: a name has letters, digits, '-', '_' and '.', "
                    "and is 64 bytes long at most");
    }
    if (path.len == 0 || !is_path(path) || slice_find(field, '#') < field.len) {
        tree_report(making->link->problems, item,
                    "is no place in a store; write PATH or PATH#FIELD");
        return;
    }
    ret->name = link_keep_slice(making->link, item->key->text);
    ret->path = link_keep_slice(making->link, path);
    ret->field = link_keep_slice(making->link, field);
}

static void set_names(struct making *making)
{
    const struct tree *names = making->section->names;
    struct store_plan *plan = &making->store->plan;
    if (names == NULL) {
        return;
    }
    if (names->count > STORE_NAMES_MAX) {
        tree_report(making->link->problems, names, "%u names, and %d are the most", names->count,
                    STORE_NAMES_MAX);
        return;
    }
    struct store_name *all = ARENA_ARRAY(making->link->arena, struct store_name, names->count + 1);
    for (unsigned i = 0; i < names->count; i++) {
        if (!names->items[i]->faulty) {
            set_name(making, names->items[i], &all[i]);
        }
    }
    plan->names = all;
    plan->name_count = names->count;
}

/* ---- what it is called ---- */

/* All that decides what is asked and as whom; not how often. Lengths stand before the parts, so
 * that no two settings look alike. */
static const char *put_part(const struct making *making, const char *id, struct slice part)
{
    return arena_print(making->link->arena, "%s|%zu:%.*s", id, part.len, SLICE_ARG(part));
}

static void name_place(const struct making *making)
{
    struct store_plan *plan = &making->store->plan;
    struct arena *arena = making->link->arena;
    const char *place = arena_print(arena, "%s %s://%s%.*s", plan->kind->name,
                                    making->store->origin.tls ? "https" : "http", plan->authority,
                                    SLICE_ARG(plan->base));
    if (plan->prefix.len > 0) {
        place = arena_print(arena, "%s, %.*s*", place, SLICE_ARG(plan->prefix));
    } else if (plan->mount.len > 0) {
        place = arena_print(arena, "%s/%.*s%s%.*s", place, SLICE_ARG(plan->mount),
                            plan->path.len > 0 ? "/" : "", SLICE_ARG(plan->path));
    }
    plan->where = place;
}

static void identify(struct making *making)
{
    struct store_plan *plan = &making->store->plan;
    const char *id = arena_print(making->link->arena, "%s %u %u", plan->kind->name,
                                 (unsigned)plan->auth, plan->version);
    const struct slice parts[] = {
        slice_from(making->store->origin.key),
        plan->base,
        plan->mount,
        plan->path,
        plan->field,
        plan->space,
        plan->auth_mount,
        plan->role,
        plan->region,
        plan->project,
        plan->prefix,
        plan->token == NULL ? SLICE("") : plan->token->values[TOKEN_URL],
        slice_from(plan->token_file == NULL ? "" : plan->token_file),
        slice_from(plan->credential == NULL ? "" : plan->credential),
    };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        id = put_part(making, id, parts[i]);
    }
    for (unsigned i = 0; i < plan->name_count; i++) {
        id = put_part(making, id, plan->names[i].name);
        id = put_part(making, id, plan->names[i].path);
        id = put_part(making, id, plan->names[i].field);
    }
    plan->id = id;
    name_place(making);
}

const struct remote_store *link_remote_store(const struct link *link,
                                             const struct secret_source_section *section,
                                             unsigned index)
{
    struct making making = {
        .link = link,
        .section = section,
        .store = ARENA_NEW(link->arena, struct remote_store),
        .proxy = link_proxy(link, section->proxy, NULL, NULL),
        .usable = true,
    };
    struct store_plan *plan = &making.store->plan;
    plan->kind = kind_of(section->type);
    making.store->above = index;
    making.store->type = plan->kind->name;
    set_place(&making);
    bool vault = section->type == SECRET_SOURCE_VAULT;
    plan->mount = vault ? set_path(&making, section->mount, "secret") : SLICE("");
    plan->path = set_path(&making, section->path, "");
    plan->field =
        section->field == NULL && vault ? SLICE("value") : set_text(&making, section->field);
    plan->space = set_text(&making, section->namespace);
    plan->version = section->version;
    plan->refresh = section->refresh;
    plan->max_stale = section->max_stale;
    plan->timeout = section->timeout;
    if (vault) {
        set_auth(&making);
    } else {
        set_cloud(&making);
    }
    set_names(&making);
    if (!making.usable) {
        return NULL;
    }
    identify(&making);
    return making.store;
}

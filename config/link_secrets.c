#include "config/link.h"
#include "config/remote_store.h"

/* Which types have a key, and which need it. */
struct key_rule {
    const char *key;
    unsigned takes, needs; /* bits: 1 << enum secret_source_kind */
    const char *belongs_to;
    const char *example;
};

enum {
    SEALED = 1 << SECRET_SOURCE_SEALED,
    ENV = 1 << SECRET_SOURCE_ENV,
    DIRECTORY = 1 << SECRET_SOURCE_DIRECTORY,
    VAULT = 1 << SECRET_SOURCE_VAULT,
    AWS = 1 << SECRET_SOURCE_AWS_SECRETS_MANAGER | 1 << SECRET_SOURCE_AWS_SSM,
    GCP = 1 << SECRET_SOURCE_GCP_SECRET_MANAGER,
    AZURE = 1 << SECRET_SOURCE_AZURE_KEY_VAULT,
    CLOUDS = AWS | GCP | AZURE,
    REMOTE = VAULT | CLOUDS,
};

#define STORES "a store over the network"

static const struct key_rule rules[] = {
    {"path", SEALED | DIRECTORY | VAULT, SEALED, "sealed or directory", "secrets.sealed"},
    {"path", SEALED | DIRECTORY | VAULT, DIRECTORY, "", "/run/secrets"},
    {"key_file", SEALED, 0, "sealed", ""},
    {"passphrase_file", SEALED, 0, "sealed", ""},
    {"prefix", ENV | CLOUDS, 0, "env", ""},
    {"url", REMOTE, VAULT, "vault", "https://vault.internal:8200"},
    {"url", REMOTE, AZURE, "", "https://NAME.vault.azure.net"},
    {"auth", VAULT, VAULT, "vault", "{token: {secret: vault-token}}"},
    {"mount", VAULT, 0, "vault", ""},
    {"version", VAULT, 0, "vault", ""},
    {"namespace", VAULT, 0, "vault", ""},
    {"credential", CLOUDS, CLOUDS, "a cloud's store", "{secret: NAME}"},
    {"region", AWS, AWS, "aws-secrets-manager or aws-ssm", "eu-central-1"},
    {"project", GCP, GCP, "gcp-secret-manager", "my-project"},
    {"directory", AZURE, AZURE, "azure-key-vault", "contoso.onmicrosoft.com"},
    {"token_url", GCP | AZURE, 0, "gcp-secret-manager or azure-key-vault", ""},
    {"ca", REMOTE, 0, STORES, ""},
    {"proxy", REMOTE, 0, STORES, ""},
    {"field", REMOTE, 0, STORES, ""},
    {"names", REMOTE, 0, STORES, ""},
    {"refresh", REMOTE, 0, STORES, ""},
    {"max_stale", REMOTE, 0, STORES, ""},
    {"timeout", REMOTE, 0, STORES, ""},
};

/* False: the type itself is wrong, and nothing is known of the others. */
static bool type_known(const struct secret_source_section *section)
{
    const struct tree *type = tree_get(section->node, "type");
    return type != NULL && !type->faulty &&
           (section->type != 0 || slice_equal(type->text, SLICE("sealed")));
}

static void check_source(const struct link *link, const struct secret_source_section *section)
{
    unsigned ours = 1U << section->type;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        const struct key_rule *rule = &rules[i];
        const struct tree *given = tree_get(section->node, rule->key);
        if ((rule->needs & ours) != 0 && given == NULL) {
            tree_report(link->problems, section->node, "%s is missing; write %s: %s", rule->key,
                        rule->key, rule->example);
        } else if ((rule->takes & ours) == 0 && given != NULL && rule->belongs_to[0] != '\0') {
            tree_report_key(link->problems, given, "belongs to type: %s; take it out",
                            rule->belongs_to);
        }
    }
}

static void check_key(const struct link *link, const struct secret_source_section *section)
{
    const struct tree *key = tree_get(section->node, "key_file");
    const struct tree *passphrase = tree_get(section->node, "passphrase_file");
    if (section->type != SECRET_SOURCE_SEALED) {
        return;
    }
    if (key == NULL && passphrase == NULL) {
        tree_report(link->problems, section->node,
                    "key_file is missing; write key_file: master.key");
    } else if (key != NULL && passphrase != NULL) {
        tree_report_key(link->problems, passphrase,
                        "a sealed file has a key or a passphrase; take one out");
    }
}

static bool prefix_valid(struct slice prefix)
{
    for (size_t i = 0; i < prefix.len; i++) {
        char byte = prefix.ptr[i];
        if (!ascii_is_letter(byte) && byte != '_' && (i == 0 || !ascii_is_digit(byte))) {
            return false;
        }
    }
    return true;
}

static struct secret_source make_local(const struct link *link,
                                       const struct secret_source_section *section)
{
    const struct tree *path = section->path;
    return (struct secret_source){
        .kind = (enum secret_source_kind)section->type,
        .path = path == NULL ? NULL : tree_resolve(path->document, path->text, link->arena),
        .key_file = link_keep(link, section->passphrase_file != NULL ? section->passphrase_file
                                                                     : section->key_file),
        .by_passphrase = section->passphrase_file != NULL,
        .prefix = section->prefix == NULL && section->type == SECRET_SOURCE_ENV
                      ? "SALLYPORT_SECRET_"
                      : link_keep(link, section->prefix),
    };
}

static struct secret_source make_remote(const struct secret_source_section *section,
                                        const struct remote_store *store)
{
    return (struct secret_source){
        .kind = (enum secret_source_kind)section->type,
        .id = store->plan.id,
        .where = store->plan.where,
        .credential = store->plan.credential,
    };
}

void link_secrets(struct link *link)
{
    const struct field_items *items = &link->sections->secrets;
    const struct secret_source_section *sections = items->items;
    struct secret_source *sources =
        ARENA_ARRAY(link->arena, struct secret_source, items->count + 1);
    const struct remote_store **stores =
        (const struct remote_store **)ARENA_ARRAY(link->arena, void *, items->count + 1);
    unsigned count = 0;
    for (unsigned i = 0; i < items->count; i++) {
        const struct secret_source_section *section = &sections[i];
        if (!type_known(section)) {
            continue;
        }
        check_source(link, section);
        check_key(link, section);
        if (section->prefix != NULL && section->type == SECRET_SOURCE_ENV &&
            !prefix_valid(slice_from(section->prefix))) {
            tree_report(link->problems, tree_get(section->node, "prefix"),
                        "no environment variable can begin so; write letters, digits and '_'");
        }
        bool local = section->type < SECRET_SOURCE_VAULT;
        const struct remote_store *store = local ? NULL : link_remote_store(link, section, i);
        if (local) {
            sources[count] = make_local(link, section);
        } else if (store != NULL) {
            sources[count] = make_remote(section, store);
        } else {
            continue; /* reported */
        }
        stores[count++] = store;
    }
    link->snapshot->secret_sources = sources;
    link->snapshot->remote_stores = stores;
    link->snapshot->secret_source_count = count;
}

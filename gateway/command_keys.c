/* sallyport keys: makes a tenant key, lists the hashes of those that a tenant has. */
#include "auth/inbound/api_key.h"
#include "auth/inbound/tenant.h"
#include "auth/secrets/secret_source.h"
#include "base/problems.h"
#include "base/secret.h"
#include "config/snapshot.h"
#include "gateway/command.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
    "usage: sallyport keys new  --tenant NAME [--json]\n"
    "       sallyport keys list --tenant NAME [--json] [-c FILE]\n"
    "\n"
    "new    makes a key for a tenant and shows it once; the config gets its hash\n"
    "list   prints the hashes of the tenant's keys in the config\n"
    "\n"
    "  --tenant NAME   whose\n"
    "  --json          for machines\n"
    "  -c FILE         the config (default: " COMMAND_DEFAULT_CONFIG ")\n";

struct arguments {
    const char *verb;
    const char *tenant;
    const char *config;
    bool json;
    bool help;
};

static int misused(const char *what)
{
    (void)fprintf(stderr, "sallyport keys: %s; see 'sallyport keys --help'\n", what);
    return EXIT_USAGE;
}

static int parse(int argc, char **argv, struct arguments *ret)
{
    static const struct option options[] = {
        {"tenant", required_argument, NULL, 't'},
        {"config", required_argument, NULL, 'c'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    *ret = (struct arguments){.config = COMMAND_DEFAULT_CONFIG};
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        switch (option) {
        case 't':
            ret->tenant = optarg;
            break;
        case 'c':
            ret->config = optarg;
            break;
        case 'j':
            ret->json = true;
            break;
        case 'h':
            ret->help = true;
            return EXIT_DONE;
        default:
            return misused("an unknown option, or one without its value");
        }
    }
    if (argc - optind != 1) {
        return misused("say 'new' or 'list', and nothing else");
    }
    ret->verb = argv[optind];
    if (ret->tenant == NULL) {
        return misused("--tenant NAME is missing");
    }
    if (!secret_name_valid(slice_from(ret->tenant))) {
        return misused("a tenant's name is 1 to 64 letters, digits, '-', '_' and '.'");
    }
    return EXIT_DONE;
}

static int make_key(const struct arguments *arguments)
{
    char key[API_KEY_LEN + 1];
    char hash_text[API_KEY_HASH_TEXT + 1];
    struct api_key_hash hash;
    api_key_new(key);
    api_key_hash(slice_make(key, API_KEY_LEN), &hash);
    api_key_hash_print(&hash, hash_text);
    if (arguments->json) {
        (void)printf("{\"tenant\":\"%s\",\"key\":\"%s\",\"hash\":\"%s\"}\n", arguments->tenant, key,
                     hash_text);
    } else {
        (void)printf("The key of %s, shown this once; the app takes it for the provider's:\n"
                     "\n"
                     "    %s\n"
                     "\n"
                     "What the config gets:\n"
                     "\n"
                     "    tenants:\n"
                     "      %s:\n"
                     "        keys: [\"%s\"]\n",
                     arguments->tenant, key, arguments->tenant, hash_text);
    }
    secret_wipe(key, sizeof(key));
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

static const struct tenant *find_tenant(const struct snapshot *snapshot, const char *name)
{
    for (unsigned i = 0; i < snapshot->tenant_count; i++) {
        if (strcmp(snapshot->tenants[i]->name, name) == 0) {
            return snapshot->tenants[i];
        }
    }
    return NULL;
}

static void print_hashes(const struct tenant *tenant, bool json)
{
    if (json) {
        (void)printf("{\"tenant\":\"%s\",\"hashes\":[", tenant->name);
    }
    for (unsigned i = 0; i < tenant->key_count; i++) {
        char text[API_KEY_HASH_TEXT + 1];
        api_key_hash_print(&tenant->keys[i], text);
        (void)printf(json ? "%s\"%s\"" : "%s%s\n", json && i > 0 ? "," : "", text);
    }
    if (json) {
        (void)fputs("]}\n", stdout);
    }
}

static int list_keys(const struct arguments *arguments)
{
    struct problems *problems = problems_new();
    struct snapshot *snapshot = NULL;
    int result = EXIT_USAGE;
    if (snapshot_load(arguments->config, NULL, problems, &snapshot) != STATUS_OK) {
        problems_print(problems, stderr);
    } else {
        const struct tenant *tenant = find_tenant(snapshot, arguments->tenant);
        result = tenant == NULL ? EXIT_FAILED : EXIT_DONE;
        if (tenant == NULL) {
            (void)fprintf(stderr, "sallyport keys: %s has no tenant %s; add it under 'tenants:'\n",
                          arguments->config, arguments->tenant);
        } else {
            print_hashes(tenant, arguments->json);
        }
    }
    snapshot_unref(snapshot);
    problems_free(problems);
    return result;
}

int command_keys(int argc, char **argv)
{
    struct arguments arguments;
    int result = parse(argc, argv, &arguments);
    if (result != EXIT_DONE) {
        return result;
    }
    if (arguments.help) {
        (void)fputs(usage, stdout);
        return EXIT_DONE;
    }
    if (strcmp(arguments.verb, "new") == 0) {
        return make_key(&arguments);
    }
    return strcmp(arguments.verb, "list") == 0 ? list_keys(&arguments)
                                               : misused("say 'new' or 'list'");
}

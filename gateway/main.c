/* sallyport: finds the command; each has a file of its own, command_NAME.c. */
#include "gateway/command.h"

#include <stdio.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns the exit code */
    const char *summary;
} commands[] = {
    {"run", command_run, "serve"},
    {"check", command_check, "validate a config: every problem with its place and cure"},
    {"schema", command_schema, "the JSON Schema of the config, for editors"},
    {"keys", command_keys, "make a tenant key, list those of a tenant"},
    {"secrets", command_secrets, "the sealed secrets file: set, list, rm, rekey"},
    {"providers", command_providers, "the built-in provider profiles"},
    {"usage", command_usage, "what was used and what it cost, from the ledger"},
    {"explain", command_explain, "why a request was refused, retried, charged as it was"},
    {"quotas", command_quotas, "limits and what is used: list, audit, reset, raise"},
    {"breakers", command_breakers, "circuits and credentials of the routes: list, reset"},
    {"webhooks", command_webhooks, "events of providers: list, show, replay, drop, send"},
    {"audit", command_audit, "proves that the audit log is whole: verify"},
    {"demo", command_demo, "a small pretend provider, to try things out"},
    {"version", command_version, "this version and those of its libraries"},
};

static void print_usage(FILE *out)
{
    (void)fputs("usage: sallyport COMMAND [ARGUMENTS]\n\n", out);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        (void)fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    }
    (void)fputs("\n'sallyport COMMAND --help' says more. -t is 'check'.\n", out);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_usage(stdout);
        return EXIT_DONE;
    }
    if (strcmp(name, "-t") == 0) {
        name = "check";
    } else if (strcmp(name, "--version") == 0) {
        name = "version";
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    if (name[0] != '\0') {
        (void)fprintf(stderr, "sallyport: unknown command \"%s\"\n", name);
    }
    print_usage(stderr);
    return EXIT_USAGE;
}

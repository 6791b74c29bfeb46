/* sallyport version: this version and those of its libraries, as they are loaded. */
#include "gateway/command.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <yaml.h>

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <event2/event.h>
#include <openssl/crypto.h>

static const char usage[] = "usage: sallyport version [--json]\n"
                            "\n"
                            "Prints this version and those of its libraries, as they are loaded.\n"
                            "\n"
                            "  --json   for machines\n";

static void print_versions(bool json)
{
    const struct {
        const char *name;
        const char *version;
    } libraries[] = {
        {"libevent", event_get_version()},
        {"libcurl", curl_version_info(CURLVERSION_NOW)->version},
        {"openssl", OpenSSL_version(OPENSSL_VERSION_STRING)},
        {"cjson", cJSON_Version()},
        {"libyaml", yaml_get_version_string()},
    };
    size_t count = sizeof(libraries) / sizeof(libraries[0]);
    (void)printf(json ? "{\"version\":\"%s\",\"libraries\":{" : "sallyport %s\n",
                 SALLYPORT_VERSION);
    for (size_t i = 0; i < count; i++) {
        if (json) {
            (void)printf("%s\"%s\":\"%s\"", i == 0 ? "" : ",", libraries[i].name,
                         libraries[i].version);
        } else {
            (void)printf("  %-9s %s\n", libraries[i].name, libraries[i].version);
        }
    }
    if (json) {
        (void)fputs("}}\n", stdout);
    }
}

int command_version(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    bool json = false;
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            (void)fputs(usage, stdout);
            return EXIT_DONE;
        }
        if (option != 'j') {
            (void)fputs("sallyport version: unknown option; see 'sallyport version --help'\n",
                        stderr);
            return EXIT_USAGE;
        }
        json = true;
    }
    if (optind != argc) {
        (void)fprintf(stderr,
                      "sallyport version: unexpected \"%s\"; see 'sallyport version --help'\n",
                      argv[optind]);
        return EXIT_USAGE;
    }
    print_versions(json);
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

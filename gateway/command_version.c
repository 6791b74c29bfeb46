/* sallyport version: this version and those of its libraries, as they are loaded. (hiredis does not
 * tell: it is the one this was built with, and no other major or minor one can be loaded.) */
#include "gateway/command.h"

#include <sqlite3.h>
#include <stdio.h>
#include <yaml.h>

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <openssl/crypto.h>

#define TEXT_OF(number)              #number
#define VERSION(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

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
        {"sqlite", sqlite3_libversion()},
        {"hiredis", VERSION(HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH)},
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
    bool json = false;
    const struct command_option options[] = {
        {.name = "json", .flag = &json},
        {.name = NULL},
    };
    struct command_line line;
    int result;
    if (!command_read(argc, argv, usage, options, &line, &result) ||
        !command_words_at_most(&line, 0, &result)) {
        return result;
    }
    print_versions(json);
    return command_print(&line, SLICE(""));
}

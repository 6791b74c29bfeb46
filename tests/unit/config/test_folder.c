#include "auth/secrets/secret_source.h"
#include "base/problems.h"
#include "config/folder.h"
#include "config/snapshot.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/config/problem_line.h"

#include <criterion/criterion.h>

#define HASH_1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define HASH_2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define API    "{provider: http, base_url: 'https://api.example.com'}"

static struct scratch_folder folder;
static struct problems problems;
static struct snapshot *snapshot;

static void setup(void)
{
    problems = (struct problems){0};
    snapshot = NULL;
    scratch_make(&folder);
}

static void teardown(void)
{
    snapshot_unref(snapshot);
    problems_fini(&problems);
    scratch_remove(&folder);
}

TestSuite(folder, .init = setup, .fini = teardown);

static void put(const char *name, const char *text)
{
    scratch_write_text(&folder, name, text);
}

static void load(void)
{
    enum status status = snapshot_load(folder.path, NULL, &problems, &snapshot);
    cr_assert_eq(status == STATUS_OK, problems.count == 0);
    cr_assert_eq(status == STATUS_OK, snapshot != NULL);
}

static void expect_valid(void)
{
    load();
    cr_assert_eq(problems.count, 0U, "%s", problem_line(problems.list, problems.count, 0));
}

/* The lines that `load` found, each without the folder before it, where it begins with that. */
static void expect_problems(const char *const *lines, unsigned count)
{
    load();
    for (unsigned i = 0; i < problems.count || i < count; i++) {
        const char *line = problem_line(problems.list, problems.count, i);
        size_t len = strlen(folder.path);
        if (strncmp(line, folder.path, len) == 0) {
            line += line[len] == '/' ? len + 1 : len;
        }
        cr_expect_str_eq(line, i < count ? lines[i] : "");
    }
}
#define EXPECT_PROBLEMS(...)                                                                       \
    expect_problems((const char *const[]){__VA_ARGS__},                                            \
                    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

Test(folder, sections_and_names_of_all_files_are_one_config)
{
    put("10-main.yaml",
        "version: 1\ngateway:\n  listen: 127.0.0.1:1\n  limits: {header_count: 99}\n"
        "secrets: [{type: env}]\n");
    put("20-routes.yml", "routes:\n  api: " API "\n");
    put("30-more.json", "{\"routes\": {\"other\": {\"provider\": \"http\", \"base_url\": "
                        "\"https://b.example.com\"}}, \"gateway\": {\"limits\": {\"uri_bytes\": "
                        "\"1KiB\"}, \"timeouts\": {\"header\": \"7s\"}}}");
    put("40-tenants.yaml", "tenants:\n  app: {keys: ['" HASH_1 "'], allow: [api, other]}\n");
    expect_valid();
    cr_expect_eq(snapshot->route_count, 2U);
    cr_expect_eq(snapshot->tenant_count, 1U);
    cr_expect_str_eq(snapshot->gateway.listen[0], "127.0.0.1:1");
    cr_expect_eq(snapshot->gateway.limits.header_count, 99U);
    cr_expect_eq(snapshot->gateway.limits.uri_bytes, 1024U);
    cr_expect_eq(snapshot->gateway.timeouts.header, 7 * SEC);
}

Test(folder, lists_of_sections_are_put_behind_each_other_in_the_order_of_names)
{
    put("b.yaml", "secrets: [{type: directory, path: /second}]\n"
                  "quotas: [{name: two, requests: 2, per: 2s}]\n");
    put("a.yaml", "version: 1\nsecrets: [{type: directory, path: /first}]\n"
                  "quotas: [{name: one, requests: 1, per: 1s}]\n");
    put("B.yaml", "secrets: [{type: directory, path: /zeroth}]\n");
    expect_valid();
    cr_assert_eq(snapshot->secret_source_count, 3U);
    cr_expect_str_eq(snapshot->secret_sources[0].path, "/zeroth");
    cr_expect_str_eq(snapshot->secret_sources[1].path, "/first");
    cr_expect_str_eq(snapshot->secret_sources[2].path, "/second");
    cr_expect_eq(snapshot->limit_count, 2U);
}

Test(folder, what_is_said_twice_is_told_with_both_places)
{
    put("a.yaml",
        "version: 1\nroutes:\n  api: " API "\ntenants: {}\ngateway: {listen: '127.0.0.1:1'}\n");
    put("b.yaml", "version: 1\nroutes:\n  other: " API "\n  api: " API "\n"
                  "gateway:\n  listen: ['127.0.0.1:2']\n");
    put("c.yaml", "store: {name: x}\n");
    put("d.yaml", "store:\n  name: x\n");
    static const struct {
        const char *place, *twin;
    } twins[] = {
        {"b.yaml:1:1: version", "a.yaml:1:1"},
        {"b.yaml:4:3: routes.api", "a.yaml:3:3"},
        {"b.yaml:6:3: gateway.listen", "a.yaml:5:11"},
        {"d.yaml:2:3: store.name", "c.yaml:1:9"},
    };
    char lines[4][300];
    for (unsigned i = 0; i < 4; i++) {
        (void)snprintf(lines[i], sizeof(lines[i]),
                       "%s: this key is already there, at %s/%s; keep one of them", twins[i].place,
                       folder.path, twins[i].twin);
    }
    EXPECT_PROBLEMS(lines[0], lines[1], lines[2], lines[3]);
}

Test(folder, a_section_that_one_file_turns_into_a_word_is_there_twice)
{
    put("a.yaml", "version: 1\nstore: {name: x}\n");
    put("b.yaml", "store: off\n");
    load();
    cr_expect_eq(problems.count, 1U);
    cr_expect_not_null(strstr(problem_line(problems.list, problems.count, 0),
                              "b.yaml:1:1: store: this key is already there, at "));
}

Test(folder, keys_without_a_value_give_way)
{
    put("a.yaml", "version: 1\nroutes:\nstore:\n");
    put("b.yaml", "routes: {api: " API "}\nstore:\n");
    put("c.yaml", "routes: ~\n");
    expect_valid();
    cr_expect_eq(snapshot->route_count, 1U);
}

Test(folder, a_problem_has_the_place_in_its_own_file)
{
    put("a.yaml", "version: 1\n\nroutez: {}\nroutes:\n  api: " API "\n");
    put("b.yaml", "gateway:\n  workers: many\nroutez: 5\n");
    put("c.yaml", "tenants:\n  app:\n    keys: ['" HASH_1 "', '" HASH_2 "']\n    allow: [ape]\n"
                  "    quotas: [{requests: 1, per: 1m}, {requests: 2, per: 90m}]\n");
    EXPECT_PROBLEMS(
        "a.yaml:3:1: routez: unknown key; did you mean \"routes\"?",
        "b.yaml:2:12: gateway.workers: \"many\": write a whole number such as 600, 2k or 1M, or "
        "auto",
        "b.yaml:3:1: routez: unknown key; did you mean \"routes\"?",
        "c.yaml:4:13: tenants.app.allow[0]: no route is called \"ape\"; did you mean \"api\"?",
        "c.yaml:5:57: tenants.app.quotas[1].per: \"90m\": too long for a rate; write 1s to 1h for "
        "a "
        "rate, or day, week, month or a number of days such as 7d for a window");
}

Test(folder, twins_of_two_files_are_told_with_the_file)
{
    char wanted[400];
    put("a.yaml", "version: 1\nroutes:\n  api: " API "\ntenants:\n  one:\n    keys: ['" HASH_1
                  "']\n    allow: [api]\n"
                  "quotas:\n  - {requests: 5, per: 1m}\n");
    put("b.yaml", "tenants:\n  two:\n    keys: ['" HASH_1 "']\n    allow: [api]\n"
                  "quotas:\n  - {requests: 6, per: 1m}\n");
    load();
    cr_assert_eq(problems.count, 2U);
    (void)snprintf(wanted, sizeof(wanted), "for tenant \"one\" at %s/a.yaml:6;", folder.path);
    cr_expect_not_null(strstr(problems.list[0].message, wanted), "%s", problems.list[0].message);
    (void)snprintf(wanted, sizeof(wanted), "the quota at %s/a.yaml:9 counts", folder.path);
    cr_expect_not_null(strstr(problems.list[1].message, wanted), "%s", problems.list[1].message);
}

Test(folder, what_is_missing_is_missing_in_the_folder)
{
    put("a.yaml", "routes: {api: " API "}\n");
    EXPECT_PROBLEMS(": version is missing; write version: 1");
}

Test(folder, a_file_that_cannot_be_read_keeps_others_from_being_blamed)
{
    put("a.yaml", "version: 1\nroutes: {api: [\n");
    put("b.yaml", "tenants: {app: {keys: [], allow: [api]}}\n");
    load();
    cr_assert_eq(problems.count, 1U);
    cr_expect_not_null(strstr(problem_line(problems.list, 1, 0), "/a.yaml:"));
}

Test(folder, a_file_that_is_no_map_is_told)
{
    put("a.yaml", "version: 1\ntenants: {app: {keys: [], allow: [api]}}\n");
    put("b.yaml", "- routes\n");
    EXPECT_PROBLEMS("b.yaml:1:1: a file of a config is a map of keys, such as routes:");
}

Test(folder, files_of_other_names_and_empty_ones_do_not_count)
{
    put("a.yaml", "version: 1\n");
    put("b.yaml", "# nothing here yet\n");
    put("c.json", "");
    put(".hidden.yaml", "nonsense: 1\n");
    put("..data.yaml", "nonsense: 1\n");
    put("a.yaml.bak", "nonsense: 1\n");
    put("a.yaml~", "nonsense: 1\n");
    put("yaml", "nonsense: 1\n");
    put("README.md", "nonsense: 1\n");
    expect_valid();
    static const char *const counts[] = {"a.yaml", "a.yml", "a.json", "a.b.yaml", "yaml.yaml"};
    for (unsigned i = 0; i < 5; i++) {
        cr_expect(folder_counts(counts[i]), "%s", counts[i]);
    }
    cr_expect_not(folder_counts(".yaml"));
    cr_expect_not(folder_counts("a.YAML"));
    cr_expect_not(folder_counts(""));
}

Test(folder, a_folder_without_a_config_says_so)
{
    EXPECT_PROBLEMS(": no file in this folder is called *.yaml, *.yml or *.json; one of the files "
                    "says version: 1");
}

Test(folder, a_folder_with_empty_files_says_so)
{
    put("a.yaml", "# later\n");
    EXPECT_PROBLEMS(
        ": there is nothing in the files of this folder; one of the files says version: 1");
}

Test(folder, what_is_no_file_is_told)
{
    put("a.yaml", "version: 1\n");
    cr_assert_eq(mkdir(scratch_path(&folder, "b.yaml"), 0700), 0);
    cr_assert_eq(mkfifo(scratch_path(&folder, "c.yaml"), 0600), 0); /* nobody writes it */
    EXPECT_PROBLEMS("b.yaml: cannot use this config file: it is a folder",
                    "c.yaml: cannot use this config file: it is no regular file");
}

Test(folder, relative_paths_start_from_the_folder)
{
    char wanted[100];
    put("a.yaml",
        "version: 1\nsecrets: [{type: directory, path: keys}]\ngateway: {access_log: log}\n");
    put("b.yaml", "quotas: [{name: '${file:name.txt}', requests: 1, per: 1s}]\n");
    put("name.txt", "told\n");
    expect_valid();
    (void)snprintf(wanted, sizeof(wanted), "%s/keys", folder.path);
    cr_expect_str_eq(snapshot->secret_sources[0].path, wanted);
    (void)snprintf(wanted, sizeof(wanted), "%s/log", folder.path);
    cr_expect_str_eq(snapshot->gateway.access_log, wanted);
    (void)snprintf(wanted, sizeof(wanted), "%s/admin.token", folder.path);
    cr_expect_str_eq(snapshot->admin.token_file, wanted);
    cr_expect_str_eq(snapshot->limits[0]->name, "told");
}

Test(folder, many_files_are_one_config_and_too_many_are_told)
{
    put("a.yaml", "version: 1\n");
    for (unsigned i = 1; i < FOLDER_FILES_MAX; i++) {
        char name[32];
        char text[100];
        (void)snprintf(name, sizeof(name), "route-%u.yaml", i);
        (void)snprintf(text, sizeof(text), "routes: {r%u: " API "}\n", i);
        put(name, text);
    }
    expect_valid();
    cr_expect_eq(snapshot->route_count, FOLDER_FILES_MAX - 1U);
    put("zz.yaml", "");
    snapshot_unref(snapshot);
    snapshot = NULL;
    EXPECT_PROBLEMS(": it has more than 1000 config files");
}

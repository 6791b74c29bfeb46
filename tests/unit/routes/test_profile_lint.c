/* What holds for every profile that is built in. */
#include "base/memory.h"
#include "routes/profile.h"

#include <criterion/criterion.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static struct arena arena;
static struct profile_set set;

static void load(void)
{
    struct error err = {0};
    cr_assert_eq(profile_set_load(&arena, &set, &err), STATUS_OK, "%s", err.message);
}

static void release(void)
{
    arena_fini(&arena);
}

TestSuite(profile_lint, .init = load, .fini = release);

static bool generic(const struct profile *profile)
{
    return strcmp(profile->name, "http") == 0;
}

static bool is_https(struct slice url)
{
    return slice_starts_with(url, SLICE("https://")) && url.len > strlen("https://");
}

Test(profile_lint, there_are_many_in_the_order_of_their_names_which_are_names_of_routes)
{
    cr_expect_geq(set.count, 60);
    for (unsigned i = 0; i < set.count; i++) {
        const char *name = set.profiles[i].name;
        cr_expect(i == 0 || strcmp(set.profiles[i - 1].name, name) < 0, "%s", name);
        cr_expect_eq(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-"), strlen(name), "%s",
                     name);
        cr_expect_eq(profile_find(&set, slice_from(name)), &set.profiles[i]);
    }
    cr_expect_null(profile_find(&set, SLICE("open")));
    cr_expect_null(profile_find(&set, SLICE("")));
}

Test(profile_lint, each_says_what_a_route_needs)
{
    for (unsigned i = 0; i < set.count; i++) {
        const struct profile *profile = &set.profiles[i];
        cr_expect(profile->title[0] != '\0', "%s", profile->name);
        cr_expect_gt(profile->slot_count, 0, "%s", profile->name);
        if (generic(profile)) {
            continue;
        }
        struct slice url = profile->base_url.len > 0        ? profile->base_url
                           : profile->base_url_form.len > 0 ? profile->base_url_form
                                                            : profile->sign.base_url;
        cr_expect(is_https(url) || profile->host_count > 0,
                  "%s: base_url, base_url_form where each account has its own host, or hosts",
                  profile->name);
        cr_expect(profile->injections.count > 0 || profile->sign.scheme.len > 0, "%s: credential",
                  profile->name);
        cr_expect_gt(profile->error.body.len, 0, "%s: error", profile->name);
        cr_expect_gt(profile->error.content_type.len, 0, "%s: error", profile->name);
        cr_expect(is_https(profile->docs_url), "%s: docs_url", profile->name);
        cr_expect_gt(profile->secret.len, 0, "%s: secret", profile->name);
    }
}

Test(profile_lint, each_says_how_an_app_is_pointed_at_the_gateway)
{
    for (unsigned i = 0; i < set.count; i++) {
        const struct profile *profile = &set.profiles[i];
        const struct profile_sdk *sdk = &profile->sdk;
        bool route = false;
        cr_expect(sdk->line_count > 0 || generic(profile), "%s: sdk", profile->name);
        for (unsigned k = 0; k < sdk->line_count; k++) {
            const char *line = sdk->lines[k].ptr;
            route = route || strstr(line, "{route}") != NULL || strstr(line, "host}") != NULL ||
                    strstr(line, "origin}") != NULL || strstr(line, "{host-and-path}") != NULL;
            cr_expect_leq(sdk->lines[k].len, 160, "%s: sdk: \"%s\" is long", profile->name, line);
        }
        cr_expect(route || generic(profile), "%s: sdk: no line has the gateway's address",
                  profile->name);
    }
}

static bool pages_are_https(const struct profile *profile)
{
    const struct slice pages[] = {profile->docs_url, profile->advice.docs_url,
                                  profile->idempotency.docs_url};
    for (size_t i = 0; i < COUNT_OF(pages); i++) {
        if (pages[i].len > 0 && !is_https(pages[i])) {
            return false;
        }
    }
    return true;
}

Test(profile_lint, pages_variables_and_paths_have_their_form)
{
    for (unsigned i = 0; i < set.count; i++) {
        const struct profile *profile = &set.profiles[i];
        cr_expect(pages_are_https(profile), "%s", profile->name);
        for (unsigned k = 0; k < profile->key_env_count; k++) {
            const char *name = profile->key_env[k].ptr;
            cr_expect_eq(strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"), strlen(name),
                         "%s: %s", profile->name, name);
        }
        cr_expect(profile->health_path.len == 0 || profile->health_path.ptr[0] == '/', "%s",
                  profile->name);
        cr_expect(profile->sdk_base_suffix.len == 0 || profile->sdk_base_suffix.ptr[0] == '/', "%s",
                  profile->name);
    }
}

Test(profile_lint, error_bodies_are_what_they_say_once_filled_in)
{
    for (unsigned i = 0; i < set.count; i++) {
        struct error err = {0};
        const struct profile *profile = &set.profiles[i];
        cr_expect_eq(profile_check_errors(profile, &err), STATUS_OK, "%s", err.message);
        cr_expect(profile->error.body.len == 0 ||
                      strstr(profile->error.body.ptr, "{message}") != NULL,
                  "%s: no {message} in error.body", profile->name);
    }
}

Test(profile_lint, every_status_has_a_type_where_the_template_shows_one)
{
    for (unsigned i = 0; i < set.count; i++) {
        const struct profile *profile = &set.profiles[i];
        bool typed =
            profile->error.body.len > 0 && strstr(profile->error.body.ptr, "{type}") != NULL;
        const struct error_type *type = profile_error_type(profile, 418, SLICE("x"));
        bool coded =
            profile->error.body.len > 0 && strstr(profile->error.body.ptr, ":{code}") != NULL;
        cr_expect(type != NULL || !typed, "%s: error_types for any status", profile->name);
        cr_expect(!coded || (type != NULL && type->code.len > 0), "%s: error_types with codes",
                  profile->name);
        cr_expect(type == NULL || typed || coded, "%s: error_types that nothing shows",
                  profile->name);
    }
}

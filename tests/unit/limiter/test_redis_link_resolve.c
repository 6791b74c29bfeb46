/* redis_link_resolve: addresses as they are, of the hosts file, of a name server. */
#include "limiter/redis_link_resolve.h"
#include "tests/support/scratch_folder.h"
#include "tests/unit/limiter/name_server.h"

static struct event_base *base;
static struct name_server names;
static struct redis_lookup *lookup;
static struct redis_lookup *other;
static unsigned told;

static void set_up(void)
{
    base = event_base_new();
    name_server_start(&names, base);
}

static void tear_down(void)
{
    redis_lookup_free(lookup);
    redis_lookup_free(other);
    name_server_stop(&names);
    event_base_free(base);
}

TestSuite(redis_link_resolve, .init = set_up, .fini = tear_down, .timeout = 30);

static void on_told(void *ctx)
{
    (void)ctx;
    told++;
}

static struct redis_lookup *ask(const char *host, void (*then)(void *ctx))
{
    return redis_lookup_new(&(struct redis_lookup_settings){
        .base = base, .host = host, .port = 6379, .name_server = names.address, .told = then});
}

static void ask_until(unsigned times)
{
    lookup = ask("redis.internal", on_told);
    cr_assert_not(redis_lookup_done(lookup));
    cr_assert_eq(told, 0);
    while (told < times) {
        (void)event_base_loop(base, EVLOOP_ONCE);
    }
}

static const char *shown(const struct redis_addresses *addresses)
{
    static char text[1024];
    text[0] = '\0';
    for (unsigned i = 0; i < addresses->count; i++) {
        const struct sockaddr_storage *address = &addresses->list[i];
        char one[64];
        bool v4 = address->ss_family == AF_INET;
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
        cr_assert_not_null(inet_ntop(address->ss_family,
                                     v4 ? (const void *)&in->sin_addr : &in6->sin6_addr, one,
                                     sizeof(one)));
        size_t len = strlen(text);
        (void)snprintf(text + len, sizeof(text) - len, "%s%s/%u", i == 0 ? "" : " ", one,
                       ntohs(v4 ? in->sin_port : in6->sin6_port));
        cr_assert_eq(redis_address_len(address),
                     v4 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
    }
    return text;
}

static void expect_found(const char *expected)
{
    struct redis_addresses addresses;
    redis_lookup_found(lookup, &addresses);
    cr_assert_str_eq(shown(&addresses), expected);
}

Test(redis_link_resolve, numeric_addresses_need_nobody)
{
    struct redis_addresses addresses;
    cr_assert(redis_addresses_known("192.0.2.1", 6379, "/none", &addresses));
    cr_assert_str_eq(shown(&addresses), "192.0.2.1/6379");
    cr_assert(redis_addresses_known("2001:db8::1", 6380, "/none", &addresses));
    cr_assert_str_eq(shown(&addresses), "2001:db8::1/6380");
    cr_assert_not(redis_addresses_known("192.0.2", 6379, "/none", &addresses));
}

Test(redis_link_resolve, localhost_is_this_machine_whatever_the_files_say)
{
    struct redis_addresses addresses;
    cr_assert(redis_addresses_known("LocalHost", 1, "/none", &addresses));
    cr_assert_str_eq(shown(&addresses), "127.0.0.1/1 ::1/1");
}

Test(redis_link_resolve, the_hosts_file_is_read_as_it_is_meant)
{
    static const struct {
        const char *name;
        const char *expected; /* NULL: not in it */
    } rows[] = {
        {"one", "192.0.2.1/7"},
        {"ALIAS.internal", "192.0.2.1/7"},
        {"alias.internal.", "192.0.2.1/7"},
        {"both", "192.0.2.2/7 2001:db8::2/7"},
        {"last", "192.0.2.9/7"},
        {"hidden", NULL},
        {"alias", NULL},
        {"192.0.2.1x", NULL},
        {"badly", NULL},
        {"", NULL},
    };
    struct scratch_folder folder;
    scratch_make(&folder);
    scratch_write_text(&folder, "hosts",
                       "# hidden\n192.0.2.1\tone  alias.internal# hidden\n\n  \n"
                       "192.0.2.2 both\n2001:db8::2 both # hidden\nnot-an-address badly\n"
                       "192.0.2.5\n192.0.2.9 last");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct redis_addresses addresses;
        bool known =
            redis_addresses_known(rows[i].name, 7, scratch_path(&folder, "hosts"), &addresses);
        cr_assert_eq(known, rows[i].expected != NULL, "%s", rows[i].name);
        if (known) {
            cr_assert_str_eq(shown(&addresses), rows[i].expected, "%s", rows[i].name);
        }
    }
    scratch_remove(&folder);
}

Test(redis_link_resolve, both_families_are_asked_and_the_older_comes_first)
{
    names.v4 = (struct name_answer){.addresses = {"192.0.2.1", "192.0.2.2"}};
    names.v6 = (struct name_answer){.addresses = {"2001:db8::1"}};
    ask_until(2);
    cr_assert(redis_lookup_done(lookup));
    expect_found("192.0.2.1/6379 192.0.2.2/6379 2001:db8::1/6379");
}

Test(redis_link_resolve, one_family_alone_will_do)
{
    names.v6 = (struct name_answer){.addresses = {"2001:db8::1"}};
    ask_until(2);
    expect_found("2001:db8::1/6379");
}

Test(redis_link_resolve, one_answer_is_told_while_the_other_is_awaited)
{
    names.v4 = (struct name_answer){.addresses = {"192.0.2.1"}};
    names.v6.code = NAME_SILENT;
    ask_until(1);
    cr_assert_not(redis_lookup_done(lookup));
    expect_found("192.0.2.1/6379");
}

Test(redis_link_resolve, only_so_many_addresses_are_kept)
{
    names.v4 = (struct name_answer){.addresses = {"192.0.2.1", "192.0.2.2", "192.0.2.3",
                                                  "192.0.2.4", "192.0.2.5", "192.0.2.6"}};
    names.v6 = (struct name_answer){
        .addresses = {"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8::5"}};
    ask_until(2);
    expect_found("192.0.2.1/6379 192.0.2.2/6379 192.0.2.3/6379 192.0.2.4/6379 2001:db8::1/6379 "
                 "2001:db8::2/6379 2001:db8::3/6379 2001:db8::4/6379");
}

Test(redis_link_resolve, failures_are_said_in_words)
{
    static const struct {
        int code;
        const char *words;
    } rows[] = {
        {NAME_UNKNOWN, "there is no such name"},
        {NAME_OK, "the name has no address"},
        {NAME_REFUSED, "the name servers refuse to answer"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        names.v4.code = rows[i].code;
        names.v6.code = rows[i].code;
        told = 0;
        ask_until(2);
        cr_assert(redis_lookup_done(lookup));
        expect_found("");
        cr_assert_str_eq(redis_lookup_failure(lookup), rows[i].words);
        redis_lookup_free(lookup);
    }
    lookup = NULL;
}

Test(redis_link_resolve, what_is_no_name_fails_at_once)
{
    char name[400];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    lookup = ask(name, on_told);
    cr_assert(redis_lookup_done(lookup));
    cr_assert_str_eq(redis_lookup_failure(lookup), "it is no valid name");
}

Test(redis_link_resolve, freed_while_it_asks_it_needs_no_further_turn)
{
    names.v4.code = NAME_SILENT;
    lookup = ask("redis.internal", on_told);
    (void)event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    redis_lookup_free(lookup);
    lookup = NULL; /* and the loop is freed */
}

static void free_other(void *ctx)
{
    on_told(ctx);
    redis_lookup_free(TAKE(other));
}

Test(redis_link_resolve, freed_with_an_answer_on_its_way_it_says_nothing)
{
    names.v4 = (struct name_answer){.addresses = {"192.0.2.1"}};
    names.v6 = names.v4;
    names.v6.addresses[0] = "2001:db8::1";
    /* All four answers are there before the loop looks: the first one told frees the other lookup,
     * whose answers are queued behind it. */
    lookup = ask("redis.internal", free_other);
    other = ask("redis.internal", free_other);
    while (names.asked < 4) {
        name_server_read(names.fd, EV_READ, &names);
    }
    for (unsigned i = 0; i < 10; i++) {
        (void)event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    }
    cr_assert_eq(told, 2);
    cr_assert(redis_lookup_done(lookup));
}

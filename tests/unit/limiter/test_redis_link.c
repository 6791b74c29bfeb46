/* redis_link against a real Redis server: what it does as long as all is well, and what it says
 * when the server refuses, dies or stops. */
#include "tests/unit/limiter/link_owner.h"

#include <criterion/hooks.h>
#include <openssl/ssl.h>

#define SHARED "SALLYPORT_TEST_REDIS"

static struct redis_server shared; /* the parent's */
static struct redis_server server; /* of a test's own */

ReportHook(PRE_ALL)(struct criterion_test_set *tests)
{
    (void)tests;
    redis_server_start(&shared, &(struct redis_server_settings){.password = NULL});
    redis_server_share(&shared, SHARED);
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    (void)stats;
    redis_server_stop(&shared);
}

static void tear_down(void)
{
    owner_tear_down();
    SSL_CTX_free(owner.tls);
    redis_server_stop(&server);
}

TestSuite(redis_link, .init = owner_set_up, .fini = tear_down, .timeout = 60);

static void start(const struct redis_server_settings *settings)
{
    redis_server_start(&server, settings);
    owner_address_of(&server);
}

static void to_shared(void)
{
    struct redis_server found = redis_server_shared(SHARED);
    owner_address_of(&found);
    owner_new_link();
}

static void expect_refusal(const char *part)
{
    owner_new_link();
    owner_open();
    owner_until(&owner.downs, 1);
    owner_saw_why(part);
    cr_assert_eq(owner.ups, 0);
    cr_assert_not(redis_link_is_up(owner.link));
}

Test(redis_link, comes_up_and_hands_on_replies_of_each_kind)
{
    to_shared();
    cr_assert_not(redis_link_is_up(owner.link));
    owner_come_up();
    cr_assert(redis_link_is_up(owner.link));
    owner_send("SET", "kinds", "a text");
    owner_until(&owner.replies, 1);
    cr_assert_eq(owner.last.kind, REDIS_TEXT);
    cr_assert_str_eq(owner.last_text, "OK");
    owner_send("GET", "kinds");
    owner_until(&owner.replies, 2);
    cr_assert_eq(owner.last.kind, REDIS_TEXT);
    cr_assert_str_eq(owner.last_text, "a text");
    owner_send("STRLEN", "kinds");
    owner_until(&owner.replies, 3);
    cr_assert_eq(owner.last.kind, REDIS_NUMBER);
    cr_assert_eq(owner.last.number, 6);
    owner_send("GET", "none");
    owner_until(&owner.replies, 4);
    cr_assert_eq(owner.last.kind, REDIS_NIL);
    owner_send("EVALSHA", "0000", "0");
    owner_until(&owner.replies, 5);
    cr_assert_eq(owner.last.kind, REDIS_ERROR);
    cr_assert_eq(strncmp(owner.last_text, "NOSCRIPT", 8), 0);
    cr_assert_eq(owner.downs, 0);
}

static void look_at_list(void)
{
    const struct redis_reply *items = owner.last.items;
    cr_assert_eq(owner.last.kind, REDIS_LIST);
    cr_assert_eq(owner.last.count, 4);
    cr_assert(slice_equal(items[0].text, SLICE("one")));
    cr_assert_eq(items[1].kind, REDIS_NUMBER);
    cr_assert_eq(items[1].number, -2);
    cr_assert_eq(items[2].kind, REDIS_NIL);
    cr_assert(slice_equal(items[3].text, SLICE("three")));
}

Test(redis_link, a_list_has_its_items)
{
    to_shared();
    owner_come_up();
    owner.in_reply = look_at_list;
    owner_send("EVAL", "return {'one', -2, false, 'three'}", "0");
    owner_until(&owner.replies, 1);
}

static unsigned in_order;

static void look_at_order(void)
{
    in_order += owner.last.number == (int64_t)owner.replies;
}

Test(redis_link, a_thousand_commands_leave_in_one_flush_and_come_back_in_order)
{
    to_shared();
    owner_come_up();
    owner.in_reply = look_at_order;
    owner_send("DEL", "counter");
    owner_until(&owner.replies, 1);
    owner.replies = 0;
    in_order = 0;
    for (unsigned i = 0; i < 1000; i++) {
        owner_write("INCR", "counter", NULL);
    }
    redis_link_flush(owner.link);
    cr_assert_eq(buffer_len(redis_link_output(owner.link)), 0, "not at once");
    owner_until(&owner.replies, 1000);
    cr_assert_eq(in_order, 1000);
}

Test(redis_link, megabytes_go_out_and_come_back)
{
    enum { COUNT = 12, BYTES = 1024 * 1024 };
    char *value = memory_alloc(BYTES + 1);
    memset(value, 'v', BYTES);
    to_shared();
    owner_come_up();
    for (unsigned i = 0; i < COUNT; i++) {
        owner_write("ECHO", value, NULL);
    }
    redis_link_flush(owner.link);
    owner_until(&owner.replies, COUNT);
    cr_assert_eq(owner.last.text.len, BYTES);
    memory_free(value);
    cr_assert_eq(owner.downs, 0);
}

Test(redis_link, a_password_alone_authenticates)
{
    start(&(struct redis_server_settings){.password = "pass-word"});
    owner.address.password = "pass-word";
    owner_new_link();
    owner_come_up();
    owner_send("SET", "key", "1");
    owner_until(&owner.replies, 1);
    cr_assert_str_eq(owner.last_text, "OK");
}

Test(redis_link, a_wrong_password_is_said_without_it)
{
    start(&(struct redis_server_settings){.password = "another"});
    owner.address.password = "the-wrong-pass-word";
    expect_refusal("WRONGPASS");
    cr_assert(strstr(owner.why, "another") == NULL);
    cr_assert(strstr(owner.why, "store.url") != NULL);
}

Test(redis_link, a_missing_password_is_said)
{
    start(&(struct redis_server_settings){.password = "pass-word"});
    expect_refusal("NOAUTH");
}

Test(redis_link, a_password_for_a_server_that_has_none_is_said)
{
    struct redis_server found = redis_server_shared(SHARED);
    owner_address_of(&found);
    owner.address.password = "pass-word";
    expect_refusal("requirepass");
}

Test(redis_link, an_acl_user_authenticates_with_its_own_password)
{
    start(&(struct redis_server_settings){.user = "joe", .password = "pass-word"});
    owner.address.user = "joe";
    owner.address.password = "pass-word";
    owner_new_link();
    owner_come_up();
    owner_send("ACL", "WHOAMI");
    owner_until(&owner.replies, 1);
    cr_assert_str_eq(owner.last_text, "joe");
}

Test(redis_link, an_unknown_user_is_refused)
{
    start(&(struct redis_server_settings){.user = "joe", .password = "pass-word"});
    owner.address.user = "jim";
    owner.address.password = "pass-word";
    expect_refusal("WRONGPASS");
}

Test(redis_link, the_database_is_selected)
{
    char out[64];
    struct redis_server found = redis_server_shared(SHARED);
    owner_address_of(&found);
    owner.address.database = 7;
    owner_new_link();
    owner_come_up();
    owner_send("SET", "where", "in seven");
    owner_until(&owner.replies, 1);
    cr_assert_str_eq(redis_server_cli(&found, out, sizeof(out), "-n", "7", "GET", "where", NULL),
                     "in seven");
    cr_assert_str_eq(redis_server_cli(&found, out, sizeof(out), "GET", "where", NULL), "");
}

Test(redis_link, a_database_that_is_not_there_is_said)
{
    struct redis_server found = redis_server_shared(SHARED);
    owner_address_of(&found);
    owner.address.database = 99;
    expect_refusal("no database 99");
}

Test(redis_link, a_server_that_takes_no_more_clients_is_said)
{
    start(&(struct redis_server_settings){.extra = {"--maxclients", "1"}});
    owner_new_link();
    owner_come_up();
    struct redis_link *first = owner.link;
    owner.ups = 0;
    expect_refusal("maxclients");
    redis_link_free(first);
}

Test(redis_link, a_unix_socket_works_too)
{
    struct redis_server found = redis_server_shared(SHARED);
    owner_address_of(&found);
    owner.address.host = NULL;
    owner.address.unix_path = found.unix_path;
    owner_new_link();
    owner_come_up();
    owner_send("PING");
    owner_until(&owner.replies, 1);
    cr_assert_str_eq(owner.last_text, "PONG");
}

Test(redis_link, a_unix_socket_that_is_not_there_is_said)
{
    owner.address = (struct redis_address){.url_shown = "redis+unix:///none",
                                           .unix_path = "/tmp/sallyport-no-such.sock"};
    expect_refusal("no such socket");
}

Test(redis_link, a_refused_connection_is_said)
{
    owner.address = (struct redis_address){
        .url_shown = "redis://SHOWN", .host = "127.0.0.1", .port = redis_server_free_port()};
    expect_refusal("connection refused");
}

/* TLS; the certificates are made once a test, which takes 30 ms. */
static void start_tls(const char *host, const char *names)
{
    start(&(struct redis_server_settings){.tls = true, .names = names, .password = "pass-word"});
    owner.address.tls = true;
    owner.address.host = host;
    owner.address.ca = server.ca;
    owner.address.password = "pass-word";
}

static void verify_with(const char *ca)
{
    struct error err;
    owner.address.ca = ca;
    cr_assert_eq(redis_tls_new(&owner.address, &owner.tls, &err), STATUS_OK, "%s", err.message);
}

Test(redis_link, tls_verifies_the_name_and_carries_all)
{
    enum { BYTES = 3 * 1024 * 1024 };
    char *value = memory_alloc(BYTES + 1);
    memset(value, 'v', BYTES);
    start_tls("localhost", NULL);
    verify_with(server.ca);
    owner_new_link();
    owner_come_up();
    owner_send("ECHO", value);
    owner_until(&owner.replies, 1);
    cr_assert_eq(owner.last.text.len, BYTES);
    owner.replies = 0;
    for (unsigned i = 0; i < 1000; i++) {
        owner_write("INCR", "counter", NULL);
    }
    redis_link_flush(owner.link);
    owner_until(&owner.replies, 1000);
    cr_assert_eq(owner.last.number, 1000);
    memory_free(value);
}

Test(redis_link, with_tls_the_password_is_wiped_once_it_is_sent)
{
    static char password[] = "xyzzy-90ab7d44-plugh"; /* the only one that may be left */
    start(&(struct redis_server_settings){.tls = true, .password = password});
    secret_wipe(server.password, sizeof(server.password));
    owner.address.tls = true;
    owner.address.host = "localhost";
    owner.address.password = password;
    verify_with(server.ca);
    owner_new_link();
    owner_come_up();
    owner_turns(3);
    cr_assert_eq(copies_in_memory(password, sizeof(password) - 1), 1);
}

Test(redis_link, tls_verifies_an_address_too)
{
    start_tls("127.0.0.1", "IP:127.0.0.1");
    verify_with(server.ca);
    owner_new_link();
    owner_come_up();
}

Test(redis_link, tls_refuses_a_certificate_for_another_name)
{
    start_tls("localhost", "DNS:redis.internal");
    verify_with(server.ca);
    expect_refusal("not for \"localhost\"");
}

Test(redis_link, tls_refuses_a_certificate_for_another_address)
{
    start_tls("127.0.0.1", "DNS:localhost,IP:127.0.0.2");
    verify_with(server.ca);
    expect_refusal("not for \"127.0.0.1\"");
}

Test(redis_link, tls_refuses_a_foreign_authority)
{
    struct redis_server other;
    redis_server_start(&other, &(struct redis_server_settings){.tls = true});
    start_tls("localhost", NULL);
    verify_with(other.ca);
    expect_refusal("not trusted");
    redis_server_stop(&other);
}

Test(redis_link, tls_trusts_only_the_systems_authorities_without_a_ca)
{
    start_tls("localhost", NULL);
    verify_with(NULL);
    expect_refusal("store.tls.ca");
}

Test(redis_link, tls_that_wants_a_clients_certificate_is_said)
{
    start(&(struct redis_server_settings){.tls = true, .extra = {"--tls-auth-clients", "yes"}});
    owner.address.tls = true;
    owner.address.host = "localhost";
    verify_with(server.ca);
    expect_refusal("tls-auth-clients");
}

Test(redis_link, tls_to_a_plain_port_is_said)
{
    struct redis_server found = redis_server_shared(SHARED);
    owner_address_of(&found);
    owner.address.tls = true;
    owner.address.host = "localhost";
    verify_with(NULL);
    owner_new_link();
    owner_open();
    owner_turns(10);
    owner_clock += 1 * SEC; /* it waits for the end of the line */
    owner_turns(3);
    owner_saw_why("plain port");
}

Test(redis_link, a_plain_link_to_a_tls_port_is_said)
{
    start(&(struct redis_server_settings){.tls = true});
    expect_refusal("rediss://");
}

Test(redis_link, old_tls_is_refused)
{
    start(&(struct redis_server_settings){
        .tls = true, .extra = {"--tls-protocols", "TLSv1.1", "--tls-ciphers", "ALL:@SECLEVEL=0"}});
    owner.address.tls = true;
    owner.address.host = "localhost";
    verify_with(server.ca);
    cr_assert_eq(SSL_CTX_get_min_proto_version(owner.tls), TLS1_2_VERSION);
    expect_refusal("TLS");
}

Test(redis_link, a_ca_file_that_is_none_is_said)
{
    struct error err;
    struct ssl_ctx_st *tls;
    const struct redis_address missing = {.tls = true, .ca = "/tmp/sallyport-no-such.pem"};
    const struct redis_address none = {.tls = true, .ca = "/etc/hostname"};
    cr_assert_eq(redis_tls_new(&missing, &tls, &err), STATUS_UNAVAILABLE);
    cr_assert(strstr(err.message, missing.ca) != NULL);
    cr_assert_eq(redis_tls_new(&none, &tls, &err), STATUS_INVALID);
    cr_assert(strstr(err.message, "PEM") != NULL);
}

Test(redis_link, tls_is_not_set_up_where_none_is_asked_for)
{
    struct error err;
    struct ssl_ctx_st *tls = (struct ssl_ctx_st *)&err;
    cr_assert_eq(redis_tls_new(&(struct redis_address){.tls = false}, &tls, &err), STATUS_OK);
    cr_assert_null(tls);
}

Test(redis_link, a_server_killed_with_commands_unanswered_is_down_once)
{
    start(&(struct redis_server_settings){.password = NULL});
    owner_new_link();
    owner_come_up();
    redis_server_pause(&server);
    owner_send("SET", "key", "1");
    owner_send("SET", "key", "2");
    owner_turns(3);
    redis_server_kill(&server);
    owner_until(&owner.downs, 1);
    owner_turns(5);
    owner_saw_why("the connection");
    cr_assert_eq(owner.replies, 0);
    cr_assert_not(redis_link_is_up(owner.link));
}

static void reopen(void)
{
    redis_link_open(owner.link);
}

Test(redis_link, after_a_restart_nothing_old_is_sent)
{
    char out[64];
    start(&(struct redis_server_settings){.password = NULL});
    owner_new_link();
    owner_come_up();
    redis_server_pause(&server);
    owner_send("SET", "old", "1");
    owner_write("SET", "older", "1", NULL); /* not even flushed */
    redis_server_restart(&server);
    owner_until(&owner.downs, 1);
    owner_write("SET", "between", "1", NULL);
    redis_link_flush(owner.link);
    owner_come_up();
    owner_send("SET", "new", "1");
    owner_until(&owner.replies, 1);
    cr_assert_str_eq(redis_server_cli(&server, out, sizeof(out), "KEYS", "*", NULL), "new");
    cr_assert_eq(owner.downs, 1);
}

Test(redis_link, may_be_opened_again_inside_down)
{
    start(&(struct redis_server_settings){.password = NULL});
    owner_new_link();
    owner_come_up();
    owner.in_down = reopen;
    redis_server_restart(&server);
    owner_until(&owner.ups, 2);
    owner_send("PING");
    owner_until(&owner.replies, 1);
    cr_assert_eq(owner.downs, 1);
}

Test(redis_link, a_paused_server_does_not_come_up_within_the_timeout)
{
    start(&(struct redis_server_settings){.password = NULL});
    owner_new_link();
    redis_server_pause(&server);
    owner_open();
    owner_turns(10);
    owner_clock += 1 * SEC - 1;
    owner_turns(3);
    cr_assert_eq(owner.downs, 0);
    owner_clock += 1;
    owner_turns(3);
    owner_saw_why("no reply within 1000 ms");
}

Test(redis_link, a_paused_server_with_tls_does_not_come_up_within_the_timeout)
{
    start_tls("localhost", NULL);
    verify_with(server.ca);
    owner_new_link();
    redis_server_pause(&server);
    owner_open();
    owner_turns(10);
    owner_clock += 1 * SEC;
    owner_turns(3);
    owner_saw_why("no TLS within 1000 ms");
}

Test(redis_link, the_timeout_ends_when_it_is_up)
{
    to_shared();
    owner_come_up();
    owner_clock += 100 * SEC;
    owner_turns(3);
    cr_assert_eq(owner.downs, 0);
    cr_assert(redis_link_is_up(owner.link));
}

Test(redis_link, a_paused_server_bounds_what_waits_for_it)
{
    enum { BYTES = 1024 * 1024 };
    char *value = memory_alloc(BYTES + 1);
    memset(value, 'v', BYTES);
    start(&(struct redis_server_settings){.password = NULL});
    owner_new_link();
    owner_come_up();
    redis_server_pause(&server);
    struct buffer *out = redis_link_output(owner.link);
    unsigned written = 0;
    while (buffer_room(out) > BYTES + 64) {
        owner_write("ECHO", value, NULL);
        redis_link_flush(owner.link);
        owner_turns(2);
        cr_assert_lt(++written, 64);
    }
    cr_assert_leq(buffer_len(out), REDIS_OUTPUT_MAX);
    cr_assert_eq(buffer_append(out, slice_make(value, BYTES)), STATUS_TOO_LARGE);
    redis_server_resume(&server);
    owner_until(&owner.replies, written);
    cr_assert_eq(buffer_len(out), 0);
    cr_assert_lt(out->size, BYTES);
    memory_free(value);
}

Test(redis_link, closes_without_a_call_back)
{
    to_shared();
    owner_come_up();
    owner_send("PING");
    redis_link_close(owner.link);
    owner_turns(5);
    cr_assert_eq(owner.replies, 0);
    cr_assert_eq(owner.downs, 0);
    owner_come_up();
    owner_send("PING");
    owner_until(&owner.replies, 1);
}

Test(redis_link, a_down_that_is_due_is_not_called_after_close)
{
    owner.address = (struct redis_address){.url_shown = "redis+unix:///none",
                                           .unix_path = "/tmp/sallyport-no-such.sock"};
    owner_new_link();
    owner_open();
    redis_link_close(owner.link);
    owner_turns(5);
    cr_assert_eq(owner.downs, 0);
}

Test(redis_link, is_freed_in_any_state)
{
    struct redis_server found = redis_server_shared(SHARED);
    for (unsigned turns = 0; turns < 8; turns++) {
        owner_address_of(&found);
        owner.address.host = turns % 2 == 0 ? "127.0.0.1" : "localhost";
        owner_new_link();
        redis_link_open(owner.link);
        owner_turns(turns);
        redis_link_free(owner.link);
        owner_turns(turns % 3);
    }
    owner_new_link();
    redis_link_free(owner.link);
    redis_link_free(NULL);
    owner.link = NULL;
    cr_assert_eq(owner.downs, 0);
}

Test(redis_link, with_tls_is_freed_in_any_state)
{
    start_tls("localhost", NULL);
    verify_with(server.ca);
    for (unsigned turns = 0; turns < 12; turns++) {
        owner_new_link();
        redis_link_open(owner.link);
        owner_turns(turns);
        redis_link_free(owner.link);
        owner_turns(turns % 3);
    }
    owner.link = NULL;
    cr_assert_eq(owner.downs, 0);
}

/* What the owner may do inside its functions. */
static void free_link(void)
{
    redis_link_free(TAKE(owner.link));
}

static void close_link(void)
{
    redis_link_close(owner.link);
}

static void ask_once(void)
{
    owner.in_reply = NULL;
    owner_send("PING");
}

static void close_and_open(void)
{
    owner.in_reply = NULL;
    redis_link_close(owner.link);
    redis_link_open(owner.link);
}

Test(redis_link, may_be_freed_inside_up)
{
    to_shared();
    owner.in_up = free_link;
    owner_come_up();
    owner_turns(3);
    cr_assert_null(owner.link);
}

Test(redis_link, may_be_freed_inside_reply)
{
    to_shared();
    owner_come_up();
    owner.in_reply = free_link;
    owner_write("PING", NULL);
    owner_write("PING", NULL);
    redis_link_flush(owner.link);
    owner_until(&owner.replies, 1);
    owner_turns(5);
    cr_assert_eq(owner.replies, 1);
    cr_assert_eq(owner.downs, 0);
}

Test(redis_link, may_be_freed_inside_down)
{
    owner.address = (struct redis_address){
        .url_shown = "redis://SHOWN", .host = "127.0.0.1", .port = redis_server_free_port()};
    owner_new_link();
    owner.in_down = free_link;
    owner_open();
    owner_until(&owner.downs, 1);
    owner_turns(3);
    cr_assert_null(owner.link);
}

Test(redis_link, closed_inside_reply_it_hands_on_no_further_one)
{
    to_shared();
    owner_come_up();
    owner.in_reply = close_link;
    for (unsigned i = 0; i < 10; i++) {
        owner_write("PING", NULL);
    }
    redis_link_flush(owner.link);
    owner_until(&owner.replies, 1);
    owner_turns(5);
    cr_assert_eq(owner.replies, 1);
    cr_assert_str_eq(owner.last_text, "PONG");
    cr_assert_eq(owner.downs, 0);
}

Test(redis_link, opened_again_inside_reply_it_begins_anew)
{
    to_shared();
    owner_come_up();
    owner.in_reply = close_and_open;
    for (unsigned i = 0; i < 10; i++) {
        owner_write("PING", NULL);
    }
    redis_link_flush(owner.link);
    owner_until(&owner.ups, 2);
    cr_assert_eq(owner.replies, 1);
    owner_send("PING");
    owner_until(&owner.replies, 2);
    cr_assert_eq(owner.downs, 0);
}

Test(redis_link, commands_may_be_sent_inside_up_and_reply)
{
    to_shared();
    owner.in_up = ask_once;
    owner_come_up();
    owner_until(&owner.replies, 1);
    owner.in_reply = ask_once;
    owner_send("PING");
    owner_until(&owner.replies, 3);
    cr_assert_eq(owner.downs, 0);
}

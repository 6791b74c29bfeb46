/* redis_link_login: what is sent first, and what each refusal means. */
#include "limiter/redis_link_login.h"

#include <criterion/criterion.h>

static const struct redis_address plain = {.host = "h"};
static const struct redis_address with_password = {.host = "h", .password = "pass word"};
static const struct redis_address with_user = {.host = "h", .user = "joe", .password = "p\r\nq"};
static const struct redis_address with_database = {.host = "h", .database = 12};

static void expect_written(const struct redis_address *address, unsigned replies, const char *text)
{
    struct buffer out;
    buffer_init(&out, 4096);
    cr_assert_eq(redis_login_write(address, &out), replies);
    cr_assert(slice_equal(buffer_bytes(&out), slice_from(text)), "%.*s",
              SLICE_ARG(buffer_bytes(&out)));
    buffer_fini(&out);
}

Test(redis_link_login, writes_what_the_address_needs)
{
    expect_written(&plain, 1, "*1\r\n$4\r\nPING\r\n");
    expect_written(&with_password, 1, "*2\r\n$4\r\nAUTH\r\n$9\r\npass word\r\n");
    expect_written(&with_user, 1, "*3\r\n$4\r\nAUTH\r\n$3\r\njoe\r\n$4\r\np\r\nq\r\n");
    expect_written(&with_database, 2, "*1\r\n$4\r\nPING\r\n*2\r\n$6\r\nSELECT\r\n$2\r\n12\r\n");
}

Test(redis_link_login, each_refusal_says_what_to_do)
{
    static const struct {
        const struct redis_address *address;
        unsigned index;
        const char *error;
        const char *part;
    } rows[] = {
        {&plain, 0, "NOAUTH Authentication required.", "write it into store.url"},
        {&plain, 0, "LOADING Redis is loading the dataset in memory", "wait for it"},
        {&plain, 0, "BUSY Redis is busy running a script.", "SCRIPT KILL"},
        {&plain, 0, "MASTERDOWN Link with MASTER is down", "name the master"},
        {&plain, 0, "DENIED Redis is running in protected mode", "protected-mode no"},
        {&plain, 0, "ERR max number of clients reached", "maxclients"},
        {&plain, 0, "ERR unknown command 'PING'", "refuses PING"},
        {&with_password, 0, "ERR max number of clients reached", "maxclients"},
        {&with_password, 0, "WRONGPASS invalid username-password pair or user is disabled.",
         "correct them in store.url"},
        {&with_password, 0, "ERR invalid password", "correct them in store.url"},
        {&with_password, 0,
         "ERR AUTH <password> called without any password configured for the default user. Are "
         "you sure your configuration is correct?",
         "requirepass"},
        {&with_password, 0, "ERR Client sent AUTH, but no password is set", "requirepass"},
        {&with_user, 0, "ERR wrong number of arguments for 'auth' command", "before Redis 6"},
        {&with_user, 0, "NOPERM this user has no permissions", "ACL"},
        {&with_database, 1, "ERR DB index is out of range", "no database 12"},
        {&with_database, 1, "ERR SELECT is not allowed in cluster mode", "no database 12"},
        {&with_database, 1, "NOPERM this user has no permissions", "no database 12"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct redis_reply reply = {.kind = REDIS_ERROR, .text = slice_from(rows[i].error)};
        char why[256] = "";
        cr_assert(redis_login_refused(rows[i].address, rows[i].index, &reply, why, sizeof(why)),
                  "%s", rows[i].error);
        cr_assert(strstr(why, rows[i].part) != NULL, "\"%s\" for \"%s\"", why, rows[i].error);
        cr_assert(strstr(why, "pass word") == NULL);
    }
}

Test(redis_link_login, a_user_that_may_not_ping_comes_up)
{
    const struct redis_reply reply = {.kind = REDIS_ERROR, .text = SLICE("NOPERM no ping")};
    char why[256];
    cr_assert_not(redis_login_refused(&plain, 0, &reply, why, sizeof(why)));
}

Test(redis_link_login, a_text_is_no_refusal_and_a_number_is)
{
    const struct redis_reply good = {.kind = REDIS_TEXT, .text = SLICE("OK")};
    const struct redis_reply odd = {.kind = REDIS_NUMBER, .number = 1};
    char why[256];
    cr_assert_not(redis_login_refused(&with_user, 0, &good, why, sizeof(why)));
    cr_assert(redis_login_refused(&with_user, 0, &odd, why, sizeof(why)));
    cr_assert(strstr(why, "no Redis server") != NULL);
}

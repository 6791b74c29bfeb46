#include "gateway/observe/log.h"

#include <stdio.h>

#include <criterion/criterion.h>
#include <criterion/redirect.h>

static void redirect(void)
{
    cr_redirect_stderr();
}

/* What stands behind the time, which is 24 characters and a space. */
static void expect_logged(const char *expected)
{
    char text[2048] = "";
    FILE *log = cr_get_redirected_stderr();
    size_t len = fread(text, 1, sizeof(text) - 1, log);
    cr_assert_gt(len, 25);
    cr_expect_eq(text[23], 'Z');
    cr_expect_str_eq(text + 25, expected);
}

Test(log, a_line_has_time_level_and_message, .init = redirect)
{
    log_warn("secret \"%s\" is %u days old", "openai-key", 3);
    (void)fclose(stderr);
    expect_logged("warn  secret \"openai-key\" is 3 days old\n");
}

Test(log, control_characters_cannot_forge_a_second_line, .init = redirect)
{
    log_error("peer said: %s", "a\nb\x1b[31mc");
    (void)fclose(stderr);
    expect_logged("error peer said: a?b?[31mc\n");
}

Test(log, a_long_message_is_cut_to_one_line, .init = redirect)
{
    char message[5000];
    memset(message, 'x', sizeof(message) - 1);
    message[sizeof(message) - 1] = '\0';
    log_info("%s", message);
    (void)fclose(stderr);
    char text[4096] = "";
    size_t len = fread(text, 1, sizeof(text) - 1, cr_get_redirected_stderr());
    cr_expect_eq(len, 1024);
    cr_expect_eq(text[len - 1], '\n');
}

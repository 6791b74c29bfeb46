#include "limiter/redis_link_login.h"

#include <assert.h>
#include <stdio.h>

enum { FRAMES = 160 }; /* more than all that is not the user's name or password */

static void put(struct buffer *out, struct slice bytes)
{
    enum status status = buffer_append(out, bytes);
    assert(status == STATUS_OK); /* reserved */
    (void)status;
}

static void put_count(struct buffer *out, struct slice mark, size_t count)
{
    put(out, mark);
    enum status status = buffer_append_number(out, count);
    assert(status == STATUS_OK);
    (void)status;
    put(out, SLICE("\r\n"));
}

static void put_command(struct buffer *out, const struct slice *words, unsigned count)
{
    put_count(out, SLICE("*"), count);
    for (unsigned i = 0; i < count; i++) {
        put_count(out, SLICE("$"), words[i].len);
        put(out, words[i]);
        put(out, SLICE("\r\n"));
    }
}

unsigned redis_login_write(const struct redis_address *address, struct buffer *out)
{
    struct slice user = slice_from(address->user);
    struct slice password = slice_from(address->password);
    unsigned replies = 1;
    enum status status = buffer_reserve(out, user.len + password.len + FRAMES);
    assert(status == STATUS_OK); /* the caller's buffer is for this */
    (void)status;
    if (address->password == NULL) {
        put_command(out, (struct slice[]){SLICE("PING")}, 1);
    } else if (address->user == NULL) {
        put_command(out, (struct slice[]){SLICE("AUTH"), password}, 2);
    } else {
        put_command(out, (struct slice[]){SLICE("AUTH"), user, password}, 3);
    }
    if (address->database != 0) {
        char digits[16];
        (void)snprintf(digits, sizeof(digits), "%u", address->database);
        put_command(out, (struct slice[]){SLICE("SELECT"), slice_from(digits)}, 2);
        replies++;
    }
    return replies;
}

static bool begins(const struct redis_reply *reply, const char *prefix)
{
    return slice_starts_with(reply->text, slice_from(prefix));
}

/* What any first command may be answered with. NULL: none of it. */
static const char *general_refusal(const struct redis_reply *reply)
{
    static const struct {
        const char *prefix;
        const char *why;
    } known[] = {
        {"NOAUTH", "it wants a password (NOAUTH); write it into store.url, as in "
                   "redis://:PASSWORD@HOST"},
        {"LOADING", "it is still loading its data (LOADING); wait for it"},
        {"BUSY ", "it is busy with a script (BUSY); end that with SCRIPT KILL"},
        {"MASTERDOWN", "it is a replica without its master (MASTERDOWN); name the master"},
        {"DENIED", "it is in protected mode (DENIED); give it a password, or set "
                   "`protected-mode no` there"},
        {"ERR max number of clients", "it has as many clients as it takes; raise its `maxclients`"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (begins(reply, known[i].prefix)) {
            return known[i].why;
        }
    }
    return NULL;
}

static const char *auth_refusal(const struct redis_reply *reply)
{
    if (begins(reply, "WRONGPASS") || begins(reply, "ERR invalid password")) {
        return "it refuses the user's name or password (WRONGPASS); correct them in store.url";
    }
    if (begins(reply, "ERR AUTH") || begins(reply, "ERR Client sent AUTH")) {
        return "it has no password, and refuses one (ERR); set `requirepass` there, or take the "
               "password out of store.url";
    }
    if (begins(reply, "ERR wrong number of arguments")) {
        return "it knows no users (ERR; before Redis 6); take the user's name out of store.url";
    }
    return "it refuses AUTH; look at its ACL and at store.url";
}

bool redis_login_refused(const struct redis_address *address, unsigned index,
                         const struct redis_reply *reply, char *why, size_t size)
{
    bool greets = index == 0 && address->password == NULL; /* with PING */
    if (reply->kind == REDIS_TEXT) {
        return false;
    }
    if (reply->kind != REDIS_ERROR) {
        (void)snprintf(why, size, "it answers like no Redis server");
        return true;
    }
    const char *text = general_refusal(reply);
    if (text == NULL && greets && begins(reply, "NOPERM")) {
        return false; /* the user may not PING, but that is not what it is for */
    }
    if (text == NULL && index == 0) {
        text = greets ? "it refuses PING; is it a Redis server?" : auth_refusal(reply);
    }
    if (text != NULL) {
        (void)snprintf(why, size, "%s", text);
    } else {
        (void)snprintf(why, size,
                       "it has no database %u, or not for this user; change the number in "
                       "store.url, or `databases` there",
                       address->database);
    }
    return true;
}

/* redis_link against a peer that does what a Redis server should not, and what it leaves in memory.
 */
#include "tests/unit/limiter/link_owner.h"

static struct peer peer;

static void set_up(void)
{
    owner_set_up();
    peer_listen(&peer, 8);
    owner_new_link();
}

static void tear_down(void)
{
    owner_tear_down();
    peer_close(&peer);
    (void)close(peer.listener);
}

TestSuite(redis_link_faults, .init = set_up, .fini = tear_down, .timeout = 60);

/* `down` once, and nothing after it. */
static void expect_down(const char *part)
{
    owner_until(&owner.downs, 1);
    owner_turns(5);
    owner_saw_why(part);
    cr_assert_not(redis_link_is_up(owner.link));
}

static void ask(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        owner_write("PING", NULL);
    }
    redis_link_flush(owner.link);
}

Test(redis_link_faults, a_reply_in_single_bytes_is_whole)
{
    static const char reply[] = "*3\r\n$5\r\nab\r\nc\r\n:-17\r\n$-1\r\n";
    peer_come_up(&peer);
    ask(1);
    for (size_t i = 0; i + 1 < sizeof(reply); i++) {
        cr_assert_eq(owner.replies, 0);
        peer_say(&peer, reply + i, 1);
        owner_turns(1);
    }
    owner_until(&owner.replies, 1);
    cr_assert_eq(owner.last.kind, REDIS_LIST);
    cr_assert_eq(owner.last.count, 3);
    cr_assert_eq(owner.downs, 0);
}

Test(redis_link_faults, another_protocol_is_down)
{
    owner_open();
    owner_turns(3);
    peer_accept(&peer);
    peer_say_text(&peer, "HTTP/1.1 400 Bad Request\r\n\r\n");
    expect_down("not Redis's protocol");
    cr_assert(strstr(owner.why, "HTTP") == NULL);
}

Test(redis_link_faults, a_reply_without_a_command_is_down)
{
    peer_come_up(&peer);
    peer_say_text(&peer, "+OK\r\n");
    expect_down("no command asked for");
    cr_assert_eq(owner.replies, 0);
}

Test(redis_link_faults, one_reply_too_many_is_down_after_the_others)
{
    peer_come_up(&peer);
    ask(2);
    peer_say_text(&peer, "+1\r\n+2\r\n+3\r\n");
    expect_down("no command asked for");
    cr_assert_eq(owner.replies, 2);
}

Test(redis_link_faults, more_than_the_login_asked_for_is_down)
{
    char heard[64];
    owner_open();
    owner_turns(3);
    peer_accept(&peer);
    (void)peer_hear(&peer, heard, sizeof(heard));
    peer_say_text(&peer, "+PONG\r\n+MORE\r\n");
    expect_down("no command asked for");
    cr_assert_eq(owner.ups, 1);
}

Test(redis_link_faults, a_push_is_down)
{
    peer_come_up(&peer);
    ask(1);
    peer_say_text(&peer, ">2\r\n+invalidate\r\n*0\r\n");
    expect_down("not Redis's protocol");
}

Test(redis_link_faults, lists_within_lists_are_down)
{
    peer_come_up(&peer);
    ask(1);
    peer_say_text(&peer, "*2\r\n:1\r\n*1\r\n:2\r\n");
    expect_down("lists within a list");
    cr_assert_eq(owner.replies, 0);
}

Test(redis_link_faults, broken_numbers_are_down)
{
    peer_come_up(&peer);
    ask(1);
    peer_say_text(&peer, ":12x\r\n");
    expect_down("not Redis's protocol");
}

Test(redis_link_faults, what_the_server_echoes_is_not_repeated)
{
    char heard[256];
    redis_link_free(owner.link);
    owner.address.password = "pass-word";
    owner_new_link();
    owner_open();
    owner_turns(3);
    peer_accept(&peer);
    cr_assert_str_eq(peer_hear(&peer, heard, sizeof(heard)),
                     "*2\r\n$4\r\nAUTH\r\n$9\r\npass-word\r\n");
    peer_say_text(&peer, "-pass-word is not what I want\r\n");
    expect_down("refuses AUTH");
}

Test(redis_link_faults, an_end_during_the_login_is_down)
{
    owner_open();
    owner_turns(3);
    peer_accept(&peer);
    peer_close(&peer);
    expect_down("before it answered");
}

Test(redis_link_faults, an_end_amid_a_reply_is_down)
{
    peer_come_up(&peer);
    ask(1);
    peer_say_text(&peer, "$100\r\nhalf");
    peer_close(&peer);
    expect_down("the connection broke");
    cr_assert_eq(owner.replies, 0);
}

Test(redis_link_faults, replies_before_the_end_are_handed_on)
{
    char heard[256];
    peer_come_up(&peer);
    ask(2);
    (void)peer_hear(&peer, heard, sizeof(heard));
    (void)send(peer.fd, "+1\r\n+2\r\n", 8, MSG_NOSIGNAL);
    peer_close(&peer);
    expect_down("closed the connection");
    cr_assert_eq(owner.replies, 2);
}

static void reset(void)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
    peer_close(&peer);
}

Test(redis_link_faults, a_reset_is_down)
{
    peer_come_up(&peer);
    reset();
    expect_down("Connection reset");
}

Test(redis_link_faults, a_flush_into_a_broken_connection_is_down_from_the_loop_only)
{
    peer_come_up(&peer);
    reset();
    ask(1);
    cr_assert_eq(owner.downs, 0);
    cr_assert_not(redis_link_is_up(owner.link));
    ask(1); /* thrown away */
    cr_assert_eq(owner.downs, 0);
    expect_down("the connection broke");
}

Test(redis_link_faults, closed_before_down_is_called_it_is_not)
{
    peer_come_up(&peer);
    reset();
    ask(1);
    cr_assert_not(redis_link_is_up(owner.link));
    redis_link_close(owner.link);
    owner_turns(5);
    cr_assert_eq(owner.downs, 0);
    redis_link_open(owner.link);
    redis_link_close(owner.link);
}

static void close_link(void)
{
    redis_link_close(owner.link);
}

Test(redis_link_faults, closed_inside_reply_the_rest_is_not_looked_at)
{
    enum { REPLIES = 4000 }; /* as many as a read takes, in several pieces */
    static char replies[4 * REPLIES + 1];
    char heard[64];
    for (size_t i = 0; i < REPLIES; i++) {
        memcpy(replies + 4 * i, "+1\r\n", 5);
    }
    peer_come_up(&peer);
    ask(REPLIES);
    owner.in_reply = close_link;
    (void)peer_hear(&peer, heard, sizeof(heard));
    cr_assert_eq(send(peer.fd, replies, sizeof(replies) - 1, MSG_NOSIGNAL),
                 (ssize_t)sizeof(replies) - 1);
    owner_turns(5);
    cr_assert_eq(owner.replies, 1);
    cr_assert_eq(owner.downs, 0, "%s", owner.why);
}

Test(redis_link_faults, half_closed_by_the_server_is_down)
{
    peer_come_up(&peer);
    (void)shutdown(peer.fd, SHUT_WR);
    expect_down("closed the connection");
    char byte;
    cr_assert_eq(recv(peer.fd, &byte, 1, 0), 0, "not dropped on our side");
}

Test(redis_link_faults, close_drops_the_connection_at_once)
{
    char byte;
    peer_come_up(&peer);
    redis_link_close(owner.link);
    cr_assert_eq(recv(peer.fd, &byte, 1, 0), 0); /* before the loop turns */
    cr_assert_eq(owner.downs, 0);
}

Test(redis_link_faults, a_flush_sends_before_the_loop_turns)
{
    char heard[4096];
    peer_come_up(&peer);
    ask(100);
    cr_assert_eq(recv(peer.fd, heard, sizeof(heard), 0),
                 100 * (ssize_t)strlen("*1\r\n$4\r\nPING\r\n"));
}

/* Reads what there is of the numbers 0, 1, 2, ... (as 32 bits). */
static bool hear_numbers(size_t *got)
{
    static char heard[64 * 1024];
    ssize_t count = recv(peer.fd, heard, sizeof(heard), 0);
    for (ssize_t i = 0; i < count; i++, (*got)++) {
        uint32_t expected = (uint32_t)(*got / 4);
        cr_assert_eq(heard[i], ((char *)&expected)[*got % 4], "at %zu", *got);
    }
    return count > 0;
}

Test(redis_link_faults, what_does_not_fit_follows_in_order)
{
    enum { BYTES = 12 * 1024 * 1024, FLUSHES = 16 };
    peer_come_up(&peer);
    struct buffer *out = redis_link_output(owner.link);
    uint32_t number = 0;
    size_t got = 0;
    for (size_t i = 0; i < BYTES; i += sizeof(number), number++) {
        cr_assert_eq(buffer_append(out, slice_make((char *)&number, sizeof(number))), STATUS_OK);
        if (i % (BYTES / FLUSHES) == 0) { /* there is room in the socket again, and bytes wait */
            while (i > BYTES / 2 && hear_numbers(&got)) {
            }
            redis_link_flush(owner.link);
        }
    }
    redis_link_flush(owner.link);
    cr_assert_gt(buffer_len(out), 0, "all fitted: nothing is tested");
    while (got < BYTES) {
        if (!hear_numbers(&got)) {
            owner_turns(1);
        }
    }
    owner_turns(2);
    cr_assert_eq(buffer_len(out), 0);
}

/* A listener whose queue is full lets connections hang. */
static int fill_queue(int fillers[4])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listener, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(listener, 0), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    for (unsigned i = 0; i < 4; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fillers[i], (struct sockaddr *)&address, len);
    }
    owner.address.port = ntohs(address.sin_port);
    return listener;
}

Test(redis_link_faults, a_connect_that_hangs_ends_at_the_timeout)
{
    int fillers[4];
    int listener = fill_queue(fillers);
    owner_open();
    owner_turns(5);
    owner_clock += 1 * SEC - 1;
    owner_turns(3);
    cr_assert_eq(owner.downs, 0);
    owner_clock += 1;
    owner_turns(3);
    owner_saw_why("no connection within 1000 ms");
    redis_link_open(owner.link); /* and freed while it hangs */
    owner_turns(2);
    for (unsigned i = 0; i < 4; i++) {
        (void)close(fillers[i]);
    }
    (void)close(listener);
}

Test(redis_link_faults, a_name_that_cannot_be_resolved_is_said)
{
    redis_link_free(owner.link);
    owner.address.host = "redis.sallyport-test.invalid";
    owner_new_link();
    owner_open();
    owner_turns(5);
    owner_clock += 1 * SEC; /* unless a name server has said so by now */
    owner_turns(3);
    owner_saw_why("cannot resolve \"redis.sallyport-test.invalid\"");
    redis_link_open(owner.link); /* and freed while it asks */
}

Test(redis_link_faults, the_password_is_wiped_once_it_is_sent)
{
    static char password[] = "xyzzy-7f3a91c2-plugh"; /* the only one that may be left */
    char heard[256];
    redis_link_free(owner.link);
    owner.address.user = "someone";
    owner.address.password = password;
    owner_new_link();
    owner_open();
    owner_turns(4);
    peer_accept(&peer);
    cr_assert(strstr(peer_hear(&peer, heard, sizeof(heard)), password) != NULL);
    secret_wipe(heard, sizeof(heard));
    peer_say_text(&peer, "+OK\r\n");
    owner_until(&owner.ups, 1);
    owner_turns(3);
    cr_assert_eq(copies_in_memory(password, sizeof(password) - 1), 1);
}

Test(redis_link_faults, the_password_is_wiped_when_it_cannot_be_sent)
{
    static char password[] = "xyzzy-51d0b3e8-plugh";
    redis_link_free(owner.link);
    owner.address.password = password;
    owner_new_link();
    owner_open();
    owner_turns(1); /* connected at most */
    redis_link_close(owner.link);
    owner_turns(3);
    cr_assert_eq(copies_in_memory(password, sizeof(password) - 1), 1);
}

#include "gateway/loop/mailbox.h"

#include "gateway/loop/loop.h"

#include <assert.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

struct mailbox {
    struct loop *loop;   /* borrowed */
    void *receiver;      /* borrowed */
    struct event *event; /* owned */
    int fd;              /* eventfd: readable while there may be letters */
    pthread_mutex_t lock;
    struct letter *first; /* guarded by lock */
    struct letter *last;
};

static struct letter *take_all(struct mailbox *mailbox)
{
    (void)pthread_mutex_lock(&mailbox->lock);
    struct letter *letters = mailbox->first;
    mailbox->first = NULL;
    mailbox->last = NULL;
    (void)pthread_mutex_unlock(&mailbox->lock);
    return letters;
}

static void run_all(struct mailbox *mailbox)
{
    struct letter *letter = take_all(mailbox);
    while (letter != NULL) {
        struct letter *next = letter->next; /* run() owns and may free it */
        letter->run(letter, mailbox->receiver);
        letter = next;
    }
}

static void on_mail(evutil_socket_t fd, short what, void *ctx)
{
    (void)what;
    struct mailbox *mailbox = ctx;
    uint64_t count;
    loop_woken(mailbox->loop);
    /* First the signal, then the letters: one that comes between is seen now or signalled anew. */
    (void)!read(fd, &count, sizeof(count));
    run_all(mailbox);
}

enum status mailbox_new(struct loop *loop, void *receiver, struct mailbox **ret, struct error *err)
{
    struct mailbox *mailbox = MEMORY_NEW(struct mailbox);
    mailbox->loop = loop;
    mailbox->receiver = receiver;
    mailbox->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int failed = pthread_mutex_init(&mailbox->lock, NULL);
    assert(failed == 0);
    (void)failed;
    if (mailbox->fd >= 0) {
        mailbox->event = event_new(loop->base, mailbox->fd, EV_READ | EV_PERSIST, on_mail, mailbox);
    }
    if (mailbox->event == NULL || event_add(mailbox->event, NULL) != 0) {
        mailbox_free(mailbox);
        FAIL(err, STATUS_UNAVAILABLE,
             "cannot make a mailbox (eventfd): raise the limit of open files (ulimit -n)");
    }
    *ret = mailbox;
    return STATUS_OK;
}

void mailbox_free(struct mailbox *mailbox)
{
    if (mailbox == NULL) {
        return;
    }
    run_all(mailbox);
    if (mailbox->event != NULL) {
        event_free(mailbox->event);
    }
    if (mailbox->fd >= 0) {
        (void)close(mailbox->fd);
    }
    (void)pthread_mutex_destroy(&mailbox->lock);
    memory_free(mailbox);
}

void mailbox_post(struct mailbox *mailbox, struct letter *letter)
{
    letter->next = NULL;
    (void)pthread_mutex_lock(&mailbox->lock);
    bool was_empty = mailbox->first == NULL;
    if (was_empty) {
        mailbox->first = letter;
    } else {
        mailbox->last->next = letter;
    }
    mailbox->last = letter;
    (void)pthread_mutex_unlock(&mailbox->lock);
    if (was_empty) { /* else who found it empty has signalled, or is about to */
        uint64_t one = 1;
        (void)!write(mailbox->fd, &one, sizeof(one));
    }
}

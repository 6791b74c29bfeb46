#include "gateway/config_watch.h"

#include "base/buffer.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/table.h"
#include "config/folder.h"
#include "gateway/loop/loop.h"
#include "gateway/observe/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

/* So long nothing happens before the files are looked at; so long at most, if that never is. */
enum { QUIET = 200 * MSEC, PATIENCE = 2 * SEC };

struct config_watch {
    struct loop *loop;  /* borrowed */
    const char *path;   /* borrowed */
    int fd;             /* of inotify; -1: off, or the system has none for us */
    struct event *news; /* owned; NULL as above */
    struct timer timer;
    usec_t first_at; /* the first event that was not looked at; 0: none */
    uint64_t noted;  /* look_at() of what was read */
    bool on;
    bool told; /* that it cannot watch */
    void (*changed)(void *ctx);
    void *ctx;
};

/* ---- what is there ---- */

/* One file as a number, which no other state of it has. Links are followed. */
static uint64_t weigh(const char *path)
{
    struct stat info;
    CLEANUP(buffer_fini) struct buffer text;
    buffer_init(&text, PATH_MAX + 200);
    int found = stat(path, &info);
    enum status status =
        found != 0
            ? buffer_print(&text, "%s", path)
            : buffer_print(&text, "%s %ju %ju %jd %jd.%ld %o", path, (uintmax_t)info.st_dev,
                           (uintmax_t)info.st_ino, (intmax_t)info.st_size,
                           (intmax_t)info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_mode);
    return status == STATUS_OK ? table_hash(buffer_bytes(&text)) : 0;
}

/* One look at all files of the config. */
struct look {
    const struct config_watch *watch;
    void (*visit)(const struct config_watch *watch, const char *file, void *ctx);
    void *ctx;
};

static bool look_at_one(void *ctx, const char *name)
{
    const struct look *look = ctx;
    char file[PATH_MAX];
    if (snprintf(file, sizeof(file), "%s/%s", look->watch->path, name) < PATH_MAX) {
        look->visit(look->watch, file, look->ctx);
    }
    return true;
}

/* Visits the file, or those of the folder. */
static void each_file(const struct config_watch *watch,
                      void (*visit)(const struct config_watch *watch, const char *file, void *ctx),
                      void *ctx)
{
    struct look look = {watch, visit, ctx};
    if (!folder_each(watch->path, look_at_one, &look)) {
        visit(watch, watch->path, ctx); /* it is none */
    }
}

static void add_weight(const struct config_watch *watch, const char *file, void *sum)
{
    (void)watch;
    *(uint64_t *)sum += weigh(file); /* in whichever order they are listed */
}

static uint64_t look_at(const struct config_watch *watch)
{
    uint64_t sum = 0;
    each_file(watch, add_weight, &sum);
    return sum;
}

/* ---- where something may happen ---- */

static bool watch_folder(const struct config_watch *watch, const char *folder)
{
    return inotify_add_watch(watch->fd, folder,
                             IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE |
                                 IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR) >= 0 ||
           errno == ENOENT || errno == ENOTDIR; /* gone: its parent will tell */
}

/* The folder that `path`, which is not empty, lies in; in place. */
static void cut_name(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        path[0] = '.';
        slash = path + 1;
    } else if (slash == path) {
        slash++;
    }
    *slash = '\0';
}

static void watch_target(const struct config_watch *watch, const char *file, void *ok)
{
    char target[PATH_MAX];
    struct stat info;
    bool is_link = lstat(file, &info) == 0 && S_ISLNK(info.st_mode);
    if (is_link && realpath(file, target) != NULL) {
        cut_name(target);
        *(bool *)ok = watch_folder(watch, target) && *(bool *)ok;
    }
}

/* The folder itself, or that of the file; the one above, in which it may be exchanged as a whole;
 * and those where links lead to. False: not all of it is watched. */
static bool watch_all(const struct config_watch *watch)
{
    char folder[PATH_MAX];
    bool ok = true;
    if (snprintf(folder, sizeof(folder), "%s", watch->path) >= PATH_MAX) {
        return false;
    }
    for (size_t len = strlen(folder); len > 1 && folder[len - 1] == '/'; len--) {
        folder[len - 1] = '\0';
    }
    if (!folder_is(folder)) {
        cut_name(folder);
    }
    ok = watch_folder(watch, folder);
    cut_name(folder);
    (void)watch_folder(watch, folder); /* this user may not be allowed to read it, and need not */
    each_file(watch, watch_target, &ok);
    return ok;
}

static void close_eyes(struct config_watch *watch)
{
    if (watch->news != NULL) {
        event_free(watch->news);
        watch->news = NULL;
    }
    file_close_at(&watch->fd);
    watch->fd = -1;
}

static void on_news(evutil_socket_t fd, short what, void *ctx);

/* Anew, for folders and links may be others than they were; what happens from here on is told. */
static void open_eyes(struct config_watch *watch)
{
    close_eyes(watch);
    if (!watch->on) {
        return;
    }
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    bool ok = watch->fd >= 0 && watch_all(watch);
    if (!ok && !watch->told) {
        log_warn("not all changes of %s will be seen: %s; send SIGHUP after one", watch->path,
                 strerrordesc_np(errno));
    }
    watch->told = !ok;
    if (watch->fd >= 0) {
        watch->news = event_new(watch->loop->base, watch->fd, EV_READ | EV_PERSIST, on_news, watch);
        (void)event_add(watch->news, NULL);
    }
}

static void on_news(evutil_socket_t fd, short what, void *ctx)
{
    struct config_watch *watch = ctx;
    char events[4096]; /* which they are does not matter: what is there does */
    (void)what;
    while (read(fd, events, sizeof(events)) > 0) { /* all of them */
    }
    loop_woken(watch->loop);
    usec_t now = watch->loop->now;
    if (watch->first_at == 0) {
        watch->first_at = now;
    }
    usec_t left = watch->first_at + PATIENCE - now;
    loop_timer(watch->loop, &watch->timer, left < QUIET ? left : QUIET);
}

static void on_quiet(struct timer *timer)
{
    struct config_watch *watch =
        (struct config_watch *)((char *)timer - offsetof(struct config_watch, timer));
    watch->first_at = 0;
    open_eyes(watch);
    if (look_at(watch) != watch->noted) {
        watch->changed(watch->ctx);
    }
}

/* What happened before is seen now, and needs no look of its own. */
void config_watch_note(struct config_watch *watch)
{
    timer_cancel(&watch->loop->timers, &watch->timer);
    watch->first_at = 0;
    open_eyes(watch);
    watch->noted = look_at(watch);
}

void config_watch_set(struct config_watch *watch, enum config_watch_mode mode)
{
    bool on = mode == CONFIG_WATCH_ON;
    if (on == watch->on) {
        return;
    }
    watch->on = on;
    timer_cancel(&watch->loop->timers, &watch->timer);
    watch->first_at = 0;
    open_eyes(watch);
    if (on) { /* it may have changed since it was noted */
        loop_timer(watch->loop, &watch->timer, QUIET);
    }
}

struct config_watch *config_watch_new(struct loop *loop, const char *path,
                                      void (*changed)(void *ctx), void *ctx)
{
    struct config_watch *watch = MEMORY_NEW(struct config_watch);
    *watch = (struct config_watch){
        .loop = loop, .path = path, .fd = -1, .on = true, .changed = changed, .ctx = ctx};
    timer_init(&watch->timer, on_quiet);
    config_watch_note(watch);
    return watch;
}

void config_watch_free(struct config_watch *watch)
{
    if (watch != NULL) {
        close_eyes(watch);
        timer_cancel(&watch->loop->timers, &watch->timer);
        memory_free(watch);
    }
}

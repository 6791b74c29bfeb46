/* A ring's file: opened, locked, allocated, mapped; what an earlier process left is found again. */
#include "base/file.h"
#include "base/memory.h"
#include "gateway/ledger/ledger_columns.h"
#include "gateway/ledger/ledger_ring.h"
#include "gateway/ledger/ledger_ring_state.h"
#include "gateway/observe/log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODE = 0640, PLACES_MAX = 1 << 20, ASIDE_MAX = 1000, OPEN_TRIES = 10 };

enum content {
    CONTENT_NONE,  /* it was just made */
    CONTENT_RING,  /* of this layout */
    CONTENT_OTHER, /* of another */
};

static size_t ring_size(uint32_t places)
{
    return RING_HEAD_BYTES + places * sizeof(struct ring_place);
}

/* ---- the file ---- */

static enum status lock_file(int fd, struct stat *info, struct error *err)
{
    if (fd < 0 || fstat(fd, info) != 0) {
        FAIL(err, STATUS_UNAVAILABLE, "%s", strerrordesc_np(errno));
    }
    if (!S_ISREG(info->st_mode)) {
        FAIL(err, STATUS_UNAVAILABLE, "it is no regular file");
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        FAIL(err, STATUS_DENIED, "another process has it");
    }
    return STATUS_OK;
}

static enum content look_at(int fd, off_t size, uint32_t *ret_places)
{
    struct ring_head head;
    if (size == 0) {
        return CONTENT_NONE;
    }
    if (pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head)) {
        return CONTENT_OTHER;
    }
    uint64_t mark = atomic_load_explicit(&head.mark, memory_order_relaxed);
    if (mark == 0) {
        return CONTENT_NONE; /* whoever made it did not get to the end of that */
    }
    bool known = mark == RING_MARK && head.version == RING_VERSION &&
                 head.head_bytes == RING_HEAD_BYTES &&
                 head.place_bytes == sizeof(struct ring_place) && head.places > 0 &&
                 head.places <= PLACES_MAX && (size_t)size == ring_size(head.places);
    *ret_places = head.places;
    return known ? CONTENT_RING : CONTENT_OTHER;
}

static enum status set_aside(const char *path, struct error *err)
{
    size_t size = strlen(path) + sizeof(".aside-1000");
    char *name CLEANUP(memory_free_at) = memory_alloc(size);
    unsigned number = 0;
    do {
        (void)snprintf(name, size, "%s.aside-%u", path, ++number);
    } while (number < ASIDE_MAX && access(name, F_OK) == 0);
    if (rename(path, name) != 0) {
        FAIL(err, STATUS_UNAVAILABLE, "it is of another version, and cannot be set aside: %s",
             strerrordesc_np(errno));
    }
    log_warn("ledger: \"%s\" is of another version of the gateway and was set aside as \"%s\"; "
             "start that version once to keep its rows",
             path, name);
    return STATUS_OK;
}

/* One try at a file that is locked, and has this layout or none; *ret_again: another one is needed,
 * for the name stands for another file now. */
static enum status open_once(const char *path, int *ret_fd, uint32_t *ret_places, bool *ret_again,
                             struct error *err)
{
    struct stat info;
    struct stat named;
    *ret_again = false;
    *ret_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, MODE);
    TRY(lock_file(*ret_fd, &info, err));
    if (stat(path, &named) != 0 || named.st_ino != info.st_ino || named.st_dev != info.st_dev) {
        *ret_again = true;
        return STATUS_OK;
    }
    enum content content = look_at(*ret_fd, info.st_size, ret_places);
    if (content == CONTENT_OTHER) {
        *ret_again = true;
        return set_aside(path, err);
    }
    if (content == CONTENT_NONE) {
        *ret_places = 0;
    }
    return STATUS_OK;
}

static enum status open_file(const char *path, int *ret_fd, uint32_t *ret_places, struct error *err)
{
    for (unsigned i = 0; i < OPEN_TRIES; i++) {
        bool again;
        TRY(open_once(path, ret_fd, ret_places, &again, err));
        if (!again) {
            return STATUS_OK;
        }
        (void)close(*ret_fd);
        *ret_fd = -1;
    }
    FAIL(err, STATUS_UNAVAILABLE, "other processes keep replacing it");
}

/* Whole, so that no write through the mapping ever finds the disk full, which would be a signal. */
static enum status allocate(int fd, size_t size, struct error *err)
{
    int failed;
    do {
        failed = posix_fallocate(fd, 0, (off_t)size);
    } while (failed == EINTR);
    if (failed != 0) {
        FAIL(err, STATUS_UNAVAILABLE, "no %zu MiB can be had for it: %s", (size >> 20) + 1,
             strerrordesc_np(failed));
    }
    return STATUS_OK;
}

static enum status map(struct ledger_ring *ring, struct error *err)
{
    ring->size = ring_size(ring->place_count);
    TRY(allocate(ring->fd, ring->size, err));
    void *mapped =
        mmap(NULL, ring->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, 0);
    if (mapped == MAP_FAILED) {
        FAIL(err, STATUS_UNAVAILABLE, "it cannot be mapped: %s", strerrordesc_np(errno));
    }
    ring->head = mapped;
    ring->places = (struct ring_place *)((char *)mapped + RING_HEAD_BYTES);
    return STATUS_OK;
}

static enum status make_new(struct ledger_ring *ring, struct error *err)
{
    if (ftruncate(ring->fd, 0) != 0) {
        FAIL(err, STATUS_UNAVAILABLE, "%s", strerrordesc_np(errno));
    }
    enum status status = map(ring, err);
    if (status != STATUS_OK && ftruncate(ring->fd, 0) != 0) {
        /* What could be had is not given back; without its mark it is made anew the next time. */
    }
    TRY(status);
    ring->head->version = RING_VERSION;
    ring->head->head_bytes = RING_HEAD_BYTES;
    ring->head->place_bytes = sizeof(struct ring_place);
    ring->head->places = ring->place_count;
    atomic_store_explicit(&ring->head->mark, RING_MARK, memory_order_release);
    return STATUS_OK;
}

/* ---- what is in it ---- */

static void queue_init(struct ring_queue *queue, uint32_t places)
{
    uint32_t size = 1;
    while (size < places) {
        size *= 2;
    }
    queue->positions = memory_alloc(size * sizeof(uint32_t));
    queue->mask = size - 1;
}

static int compare_times(const void *a, const void *b, void *ctx)
{
    const struct ledger_ring *ring = ctx;
    const struct ledger_row *left = &ring->places[*(const uint32_t *)a].row;
    const struct ledger_row *right = &ring->places[*(const uint32_t *)b].row;
    bool same_end = left->closed_at == right->closed_at;
    usec_t before = same_end ? left->opened_at : left->closed_at;
    usec_t after = same_end ? right->opened_at : right->closed_at;
    return before < after ? -1 : before > after;
}

/* Sets a place right that was found; true: its row waits for the taker. */
static bool recover_place(struct ring_place *place, usec_t now)
{
    unsigned state = atomic_load_explicit(&place->state, memory_order_acquire);
    if ((state != PLACE_OPEN && state != PLACE_CLOSED) || !ledger_row_sound(&place->row)) {
        atomic_store_explicit(&place->state, PLACE_FREE, memory_order_release);
        return false;
    }
    atomic_store_explicit(&place->unsettled, 0, memory_order_relaxed);
    if (state == PLACE_OPEN) {
        ledger_row_died(&place->row, now);
        atomic_store_explicit(&place->state, PLACE_CLOSED, memory_order_release);
    }
    return true;
}

static void recover(struct ledger_ring *ring)
{
    usec_t now = clock_wall();
    uint32_t *found CLEANUP(memory_free_at) = memory_alloc(ring->place_count * sizeof(uint32_t));
    for (uint32_t i = ring->place_count; i > 0; i--) {
        if (recover_place(&ring->places[i - 1], now)) {
            found[ring->recovered++] = i - 1;
        } else {
            ring->free[ring->free_count++] = i - 1; /* the first goes out first */
        }
    }
    qsort_r(found, ring->recovered, sizeof(uint32_t), compare_times, ring);
    for (unsigned i = 0; i < ring->recovered; i++) {
        ring_queue_put(&ring->closed, found[i]);
    }
}

/* ---- opening and closing ---- */

static enum status open_ring(struct ledger_ring *ring, const char *path, unsigned places,
                             struct error *err)
{
    uint32_t found = 0;
    TRY(open_file(path, &ring->fd, &found, err));
    ring->place_count = found > 0 ? found : places; /* one that is there stays as large as it is */
    if (found > 0) {
        TRY(map(ring, err));
    } else {
        TRY(make_new(ring, err));
    }
    ring->free = memory_alloc(ring->place_count * sizeof(uint32_t));
    queue_init(&ring->closed, ring->place_count);
    queue_init(&ring->freed, ring->place_count);
    recover(ring);
    return STATUS_OK;
}

enum status ledger_ring_open(const char *path, unsigned places, struct ledger_ring **ret,
                             struct error *err)
{
    assert(places > 0 && places <= PLACES_MAX);
    struct ledger_ring *ring = MEMORY_NEW(struct ledger_ring);
    ring->fd = -1;
    enum status status = open_ring(ring, path, places, err);
    if (status != STATUS_OK) {
        error_prefix(err, "\"%s\"", path);
        ledger_ring_close(ring);
        return status;
    }
    *ret = ring;
    return STATUS_OK;
}

void ledger_ring_close(struct ledger_ring *ring)
{
    if (ring == NULL) {
        return;
    }
    if (ring->head != NULL) {
        (void)munmap(ring->head, ring->size);
    }
    file_close_at(&ring->fd);
    memory_free(ring->free);
    memory_free(ring->closed.positions);
    memory_free(ring->freed.positions);
    memory_free(ring);
}

unsigned ledger_ring_recovered(const struct ledger_ring *ring)
{
    return ring->recovered;
}

/* Which rings a ledger has: one a worker, and what earlier processes left, of any number. */
#include "gateway/ledger/ledger_state.h"
#include "gateway/observe/log.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

enum { NUMBERS_MAX = 4096 };

static char *ring_path(const struct ledger *ledger, unsigned number)
{
    size_t size = strlen(ledger->path) + sizeof(".ring-4294967295");
    char *path = memory_alloc(size);
    (void)snprintf(path, size, "%s.ring-%u", ledger->path, number);
    return path;
}

/* Takes both. */
static void add_source(struct ledger *ledger, struct ledger_ring *ring, char **path)
{
    unsigned count = ledger->source_count;
    ledger->sources = memory_resize(ledger->sources, (count + 1) * sizeof(struct ledger_source));
    ledger->sources[count] = (struct ledger_source){.ring = ring, .path = TAKE(*path)};
    ledger->source_count++;
    (void)atomic_fetch_add_explicit(&ledger->rows_recovered, ledger_ring_recovered(ring),
                                    memory_order_relaxed);
}

/* A number that another process has is skipped: two gateways, the old and the new one, may run side
 * by side for a while. */
static enum status open_own(struct ledger *ledger, unsigned *next, struct error *err)
{
    for (; *next < NUMBERS_MAX; (*next)++) {
        struct ledger_ring *ring = NULL;
        char *path CLEANUP(memory_free_at) = ring_path(ledger, *next);
        enum status status = ledger_ring_open(path, LEDGER_RING_PLACES, &ring, err);
        if (status == STATUS_OK) {
            add_source(ledger, ring, &path);
            (*next)++;
            return STATUS_OK;
        }
        if (status != STATUS_DENIED) {
            return status;
        }
    }
    FAIL(err, STATUS_UNAVAILABLE, "\"%s\": other processes have all %d rings of it", ledger->path,
         NUMBERS_MAX);
}

/* ---- what was left ---- */

/* The number of "NAME.ring-NUMBER". */
static bool number_of(struct slice entry, struct slice name, uint64_t *ret)
{
    if (!slice_starts_with(entry, name)) {
        return false;
    }
    struct slice rest = slice_skip(entry, name.len);
    return slice_starts_with(rest, SLICE(".ring-")) &&
           slice_number(slice_skip(rest, strlen(".ring-")), UINT32_MAX, ret);
}

static bool is_own(const struct ledger *ledger, const char *path)
{
    for (unsigned i = 0; i < ledger->source_count; i++) {
        if (strcmp(ledger->sources[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

static void open_left(struct ledger *ledger, unsigned number)
{
    struct error err;
    struct ledger_ring *ring = NULL;
    char *path CLEANUP(memory_free_at) = ring_path(ledger, number);
    if (is_own(ledger, path)) {
        return;
    }
    enum status status = ledger_ring_open(path, LEDGER_RING_PLACES, &ring, &err);
    if (status == STATUS_OK) {
        add_source(ledger, ring, &path);
    } else if (status != STATUS_DENIED) {
        log_warn("ledger: %s; its rows, if any, are not kept before the next start", err.message);
    }
}

static void find_left(struct ledger *ledger)
{
    struct slice path = slice_from(ledger->path);
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/') {
        at--;
    }
    char *folder CLEANUP(memory_free_at) =
        at == 0 ? memory_copy(SLICE(".")) : memory_copy(slice_make(path.ptr, at));
    DIR *entries = opendir(folder);
    if (entries == NULL) {
        return;
    }
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        uint64_t number = 0;
        if (number_of(slice_from(entry->d_name), slice_skip(path, at), &number)) {
            open_left(ledger, (unsigned)number);
        }
    }
    (void)closedir(entries);
}

enum status ledger_rings_open(struct ledger *ledger, struct error *err)
{
    unsigned next = 0;
    for (unsigned i = 0; i < ledger->workers; i++) {
        TRY(open_own(ledger, &next, err));
    }
    find_left(ledger);
    ledger_rings_tidy(ledger);
    return STATUS_OK;
}

/* ---- closing ---- */

static void close_source(struct ledger_source *source)
{
    ledger_ring_close(source->ring);
    memory_free(source->path);
}

void ledger_rings_close(struct ledger *ledger)
{
    for (unsigned i = 0; i < ledger->source_count; i++) {
        close_source(&ledger->sources[i]);
    }
    memory_free(ledger->sources);
}

void ledger_rings_tidy(struct ledger *ledger)
{
    uint64_t waiting = 0;
    unsigned kept = ledger->workers;
    for (unsigned i = ledger->workers; i < ledger->source_count; i++) {
        struct ledger_source source = ledger->sources[i];
        unsigned backlog = ledger_ring_backlog(source.ring);
        if (backlog == 0) {
            (void)unlink(source.path); /* while it is still locked */
            close_source(&source);
        } else {
            waiting += backlog;
            ledger->sources[kept++] = source;
        }
    }
    ledger->source_count = kept;
    atomic_store_explicit(&ledger->left_over, waiting, memory_order_relaxed);
}

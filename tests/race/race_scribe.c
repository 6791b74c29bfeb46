/* Writers, reopening, and stopping, all at once. Counts that no line was lost. */
#include "base/slice.h"
#include "gateway/observe/scribe.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WRITERS = 3, LINES = 20000, REOPENS = 50 };

static void *write_lines(void *ctx)
{
    for (unsigned i = 0; i < LINES; i++) {
        if (!scribe_write(ctx, SLICE("0123456789\n"))) {
            return ctx;
        }
    }
    return NULL;
}

static bool run(const char *path)
{
    struct scribe *scribe;
    pthread_t threads[WRITERS];
    bool fine = scribe_start(path, &scribe, NULL) == STATUS_OK;
    for (unsigned i = 0; i < WRITERS; i++) {
        fine = pthread_create(&threads[i], NULL, write_lines, scribe) == 0 && fine;
    }
    for (unsigned i = 0; i < REOPENS; i++) {
        fine = scribe_reopen(scribe, path, NULL) == STATUS_OK && fine;
        fine = scribe_dropped(scribe) == 0 && fine;
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        void *failed = NULL;
        fine = pthread_join(threads[i], &failed) == 0 && failed == NULL && fine;
    }
    scribe_stop(scribe);
    return fine;
}

int main(void)
{
    char path[] = "race_scribe.XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) {
        perror("race_scribe");
        return 2;
    }
    bool fine = run(path);
    off_t size = lseek(fd, 0, SEEK_END);
    fine = size == (off_t)WRITERS * LINES * 11 && fine;
    (void)close(fd);
    (void)unlink(path);
    return fine ? 0 : 1;
}

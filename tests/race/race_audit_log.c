/* Events and refusals from several threads, while the file is moved away and the log ended and
 * begun again. Each file is whole, the chain goes through all of them, and all is told or counted.
 */
#include "gateway/observe/audit_log.h"
#include "gateway/observe/audit_verify.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WRITERS = 3, EVENTS = 3000, ROTATIONS = 20, NAME_SIZE = 64 };

static char folder[] = "race_audit_log.XXXXXX";

static void *write_events(void *ctx)
{
    const struct audit_event event = {.kind = AUDIT_CIRCUIT, .route = "r"};
    const struct audit_event refused = {.kind = AUDIT_KEY_REFUSED, .peer = "192.0.2.7"};
    (void)ctx;
    for (unsigned i = 0; i < EVENTS; i++) {
        audit_note(&event, "change %u", i);
        audit_refusal(&refused, "no");
    }
    return NULL;
}

static const char *name_of(unsigned i, char out[NAME_SIZE])
{
    (void)snprintf(out, NAME_SIZE, i == 0 ? "%s/audit" : "%s/audit.%u", folder, i);
    return out;
}

static bool take(const char *path)
{
    if (audit_log_prepare(path, NULL) != STATUS_OK) {
        return false;
    }
    audit_log_commit();
    audit_log_tick();
    return true;
}

/* A file that is moved away before its beginning is written stays empty. */
static void await_beginning(const char *path)
{
    struct stat info;
    while (stat(path, &info) == 0 && info.st_size == 0) {
        (void)sched_yield();
    }
}

static bool run(const char *path)
{
    pthread_t threads[WRITERS];
    char moved[NAME_SIZE];
    bool fine = take(path);
    for (unsigned i = 0; i < WRITERS; i++) {
        fine = pthread_create(&threads[i], NULL, write_events, NULL) == 0 && fine;
    }
    for (unsigned i = 1; i <= ROTATIONS; i++) {
        await_beginning(path);
        fine = rename(path, name_of(i, moved)) == 0 && take(path) && fine;
        fine = audit_log_prepare(path, NULL) == STATUS_OK && fine;
        audit_log_abandon();
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        fine = pthread_join(threads[i], NULL) == 0 && fine;
    }
    audit_log_stop();
    return fine && audit_log_lost() == 0;
}

/* Begins and ends it under the writers; what comes meanwhile is not told. */
static bool switch_on_and_off(const char *path)
{
    pthread_t thread;
    bool fine = pthread_create(&thread, NULL, write_events, NULL) == 0;
    for (unsigned i = 0; i < ROTATIONS; i++) {
        fine = take(path) && take(NULL) && fine;
    }
    return pthread_join(thread, NULL) == 0 && fine;
}

static bool verify(uint64_t at_least)
{
    struct audit_verify verify = {0};
    struct error err = {0};
    char name[NAME_SIZE];
    for (unsigned i = 1; i <= ROTATIONS + 1; i++) {
        if (audit_verify_file(&verify, name_of(i % (ROTATIONS + 1), name), &err) != STATUS_OK) {
            (void)fprintf(stderr, "%s\n", err.message);
            return false;
        }
    }
    if (verify.fault != AUDIT_SOUND || verify.count < at_least) {
        (void)fprintf(stderr, "line %lu: %s; %lu lines\n", (unsigned long)verify.line, verify.text,
                      (unsigned long)verify.count);
        return false;
    }
    return true;
}

int main(void)
{
    char path[NAME_SIZE];
    if (mkdtemp(folder) == NULL) {
        perror("race_audit_log");
        return 2;
    }
    (void)name_of(0, path);
    bool fine = run(path) && verify((uint64_t)WRITERS * EVENTS + ROTATIONS);
    fine = fine && switch_on_and_off(path) && verify((uint64_t)WRITERS * EVENTS + ROTATIONS);
    for (unsigned i = 0; i <= ROTATIONS; i++) {
        (void)unlink(name_of(i, path));
    }
    (void)rmdir(folder);
    return fine ? 0 : 1;
}

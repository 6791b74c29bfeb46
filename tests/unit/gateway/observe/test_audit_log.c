/* The file of an audit log, the thread that writes it, and what verifies it. */
#include "base/buffer.h"
#include "gateway/observe/audit_file.h"
#include "gateway/observe/audit_log.h"
#include "gateway/observe/audit_verify.h"
#include "tests/support/scratch_folder.h"

#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include <criterion/criterion.h>

enum { WALL = 1767323045, TEXT_MAX = 1024 * 1024 };

static struct scratch_folder folder;
static const char *path;

static void begin(void)
{
    scratch_make(&folder);
    path = scratch_path(&folder, "audit.json");
}

static void end(void)
{
    audit_log_stop();
    scratch_remove(&folder);
}

TestSuite(audit_log, .init = begin, .fini = end, .timeout = 60);

static struct audit_file *open_at(const char *at)
{
    struct error err = {0};
    struct audit_file *file = NULL;
    cr_assert_eq(audit_file_open(at, WALL * SEC, &file, &err), STATUS_OK, "%s", err.message);
    return file;
}

static void append(struct audit_file *file, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct buffer body CLEANUP(buffer_fini);
        buffer_init(&body, AUDIT_LINE_MAX);
        const struct audit_event event = {.kind = AUDIT_STORE_UP, .count = i + 1};
        cr_assert_eq(audit_body_write(&event, WALL * SEC, SLICE("x"), &body), STATUS_OK);
        cr_assert_eq(audit_file_append(file, buffer_bytes(&body), NULL), STATUS_OK);
    }
}

/* A file of so many lines. */
static void make_log(unsigned count)
{
    struct audit_file *file = open_at(path);
    append(file, count);
    audit_file_close(file);
}

static char *content(const char *name)
{
    char *text = memory_alloc(TEXT_MAX);
    text[scratch_read(&folder, name, text, TEXT_MAX - 1)] = '\0';
    return text;
}

static unsigned count_of(const char *text, const char *word)
{
    unsigned count = 0;
    for (; (text = strstr(text, word)) != NULL; text++) {
        count++;
    }
    return count;
}

static struct audit_verify verify(const char *const *files, unsigned count)
{
    struct audit_verify verify = {0};
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(audit_verify_file(&verify, files[i], NULL), STATUS_OK);
    }
    audit_verify_end(&verify);
    return verify;
}

static void expect_sound(uint64_t count)
{
    struct audit_verify result = verify(&path, 1);
    cr_expect_eq(result.fault, AUDIT_SOUND, "line %lu: %s", (unsigned long)result.line,
                 result.text);
    cr_expect_eq(result.count, count, "%lu", (unsigned long)result.count);
}

static void start_log(const char *at)
{
    struct error err = {0};
    cr_assert_eq(audit_log_prepare(at, &err), STATUS_OK, "%s", err.message);
    audit_log_commit();
}

/* ---- the file ---- */

Test(audit_log, a_chain_goes_on_from_the_last_line_of_the_file)
{
    make_log(3);
    make_log(2);
    expect_sound(5);
    struct stat info;
    cr_assert_eq(stat(path, &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0640U & ~022U);
}

Test(audit_log, a_torn_last_line_is_kept_elsewhere_and_cut_off)
{
    make_log(3);
    char *whole CLEANUP(memory_free_at) = content("audit.json");
    char *torn = memory_copy(slice_from(whole));
    (void)strcat(whole, "{\"seq\":4,\"time\":\"20");
    scratch_write_text(&folder, "audit.json", whole);
    struct audit_file *file = open_at(path);
    size_t bytes = 0;
    const char *kept = audit_file_torn(file, &bytes);
    cr_assert_not_null(kept);
    cr_expect_str_eq(kept, scratch_path(&folder, "audit.json.torn-20260102T030405Z"));
    cr_expect_eq(bytes, strlen("{\"seq\":4,\"time\":\"20"));
    audit_file_close(file);
    char *left CLEANUP(memory_free_at) = content("audit.json");
    cr_expect_str_eq(left, torn);
    memory_free(torn);
    char *part CLEANUP(memory_free_at) = content("audit.json.torn-20260102T030405Z");
    cr_expect_str_eq(part, "{\"seq\":4,\"time\":\"20");
    make_log(1);
    expect_sound(4);
}

Test(audit_log, two_torn_lines_of_one_second_are_both_kept)
{
    for (unsigned i = 1; i <= 2; i++) {
        make_log(1);
        char *text CLEANUP(memory_free_at) = content("audit.json");
        (void)strcat(text, i == 1 ? "one" : "two");
        scratch_write_text(&folder, "audit.json", text);
        audit_file_close(open_at(path));
    }
    char *one CLEANUP(memory_free_at) = content("audit.json.torn-20260102T030405Z");
    char *two CLEANUP(memory_free_at) = content("audit.json.torn-20260102T030405Z-1");
    cr_expect_str_eq(one, "one");
    cr_expect_str_eq(two, "two");
}

Test(audit_log, a_first_line_that_is_torn_leaves_an_empty_file)
{
    scratch_write_text(&folder, "audit.json", "{\"seq\":1,\"ti");
    make_log(1);
    expect_sound(1);
}

Test(audit_log, a_file_that_is_something_else_is_not_touched)
{
    static const char *const texts[] = {"root:x:0:0\n", "text without an end",
                                        "{\"time\":\"x\"}\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct error err = {0};
        struct audit_file *file = NULL;
        scratch_write_text(&folder, "audit.json", texts[i]);
        cr_expect_eq(audit_file_open(path, 0, &file, &err), STATUS_INVALID);
        cr_expect_not_null(strstr(err.message, "gateway.audit_log: \""), "%s", err.message);
        char *left CLEANUP(memory_free_at) = content("audit.json");
        cr_expect_str_eq(left, texts[i]);
    }
    struct error err = {0};
    struct audit_file *file = NULL;
    cr_expect_neq(audit_file_open(folder.path, 0, &file, &err), STATUS_OK);
    cr_expect_neq(audit_file_open("/dev/null", 0, &file, &err), STATUS_OK);
    cr_expect_neq(audit_file_open("/proc/absent/audit", 0, &file, &err), STATUS_OK);
}

Test(audit_log, two_cannot_write_the_same_file)
{
    struct audit_file *first = open_at(path);
    struct audit_file *second = NULL;
    struct error err = {0};
    cr_expect_eq(audit_file_open(path, 0, &second, &err), STATUS_UNAVAILABLE);
    cr_expect_not_null(strstr(err.message, "another process"), "%s", err.message);
    audit_file_close(first);
    audit_file_close(open_at(path));
}

/* ---- what verifies it ---- */

/* Lines of a file, by their index; -1 ends. */
static void write_lines(const char *name, const int *which)
{
    char *text CLEANUP(memory_free_at) = content("audit.json");
    char *out CLEANUP(memory_free_at) = memory_alloc(TEXT_MAX);
    for (; *which >= 0; which++) {
        const char *line = text;
        for (int i = 0; i < *which; i++) {
            line = strchr(line, '\n') + 1;
        }
        (void)strncat(out, line, (size_t)(strchr(line, '\n') + 1 - line));
    }
    scratch_write_text(&folder, name, out);
}

Test(audit_log, the_first_bad_line_is_named_with_what_is_wrong)
{
    static const struct {
        int lines[8];
        enum audit_fault fault;
        uint64_t line, seq;
    } cases[] = {
        {{0, 1, 2, 3, 4, -1}, AUDIT_SOUND, 0, 5},
        {{0, 1, 3, 4, -1}, AUDIT_MISSING, 3, 4},
        {{0, 4, -1}, AUDIT_MISSING, 2, 5},
        {{1, 2, -1}, AUDIT_MISSING, 1, 2},
        {{0, 2, 1, 3, 4, -1}, AUDIT_OUT_OF_ORDER, 2, 3},
        {{0, 1, 1, 2, -1}, AUDIT_OUT_OF_ORDER, 3, 2},
        {{0, 1, 2, 0, 1, -1}, AUDIT_OUT_OF_ORDER, 4, 1},
        {{-1}, AUDIT_MISSING, 0, 0},
    };
    make_log(5);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_lines("case", cases[i].lines);
        const char *file = scratch_path(&folder, "case");
        struct audit_verify result = verify(&file, 1);
        cr_expect_eq(result.fault, cases[i].fault, "case %zu: %s, %s", i,
                     audit_fault_word(result.fault), result.text);
        cr_expect_eq(result.line, cases[i].line, "case %zu: %lu", i, (unsigned long)result.line);
        cr_expect_eq(result.seq, cases[i].seq, "case %zu: %lu", i, (unsigned long)result.seq);
    }
}

/* Record 2 made anew, with a hash that is right: the one behind it tells. */
Test(audit_log, a_record_that_was_exchanged_shows_at_the_next_one)
{
    make_log(4);
    char *text CLEANUP(memory_free_at) = content("audit.json");
    struct audit_line first;
    cr_assert(audit_line_read(slice_make(text, slice_find(slice_from(text), '\n')), &first));
    struct audit_chain chain = {.seq = 1};
    memcpy(chain.hash, first.hash.ptr, AUDIT_HASH_LEN);
    struct buffer out CLEANUP(buffer_fini);
    struct buffer body CLEANUP(buffer_fini);
    buffer_init(&out, TEXT_MAX);
    buffer_init(&body, TEXT_MAX);
    const struct audit_event event = {.kind = AUDIT_STORE_DOWN};
    char *second = strchr(text, '\n') + 1;
    char *third = strchr(second, '\n') + 1;
    cr_assert_eq(buffer_append(&out, slice_make(text, (size_t)(second - text))), STATUS_OK);
    cr_assert_eq(audit_body_write(&event, WALL * SEC, SLICE("made up"), &body), STATUS_OK);
    cr_assert_eq(audit_line_write(&chain, buffer_bytes(&body), &out, &chain), STATUS_OK);
    cr_assert_eq(buffer_append(&out, slice_from(third)), STATUS_OK);
    scratch_write(&folder, "audit.json", buffer_bytes(&out).ptr, buffer_len(&out), 0600);
    struct audit_verify result = verify(&path, 1);
    cr_expect_eq(result.fault, AUDIT_CHANGED);
    cr_expect_eq(result.line, 3U);
    cr_expect_eq(result.seq, 3U);
}

Test(audit_log, a_changed_byte_and_a_torn_end_are_named)
{
    make_log(3);
    char *text CLEANUP(memory_free_at) = content("audit.json");
    strstr(strchr(text, '\n'), "store_up")[0] = 'S';
    scratch_write_text(&folder, "audit.json", text);
    struct audit_verify result = verify(&path, 1);
    cr_expect_eq(result.fault, AUDIT_CHANGED);
    cr_expect_eq(result.line, 2U);
    cr_expect_eq(result.seq, 2U);
    strstr(text, "Store_up")[0] = 's';
    text[strlen(text) - 1] = '\0';
    scratch_write_text(&folder, "audit.json", text);
    result = verify(&path, 1);
    cr_expect_eq(result.fault, AUDIT_TORN);
    cr_expect_eq(result.line, 3U);
}

Test(audit_log, lines_that_are_taken_off_the_end_show_by_a_hash_that_was_noted)
{
    make_log(3);
    struct audit_verify whole = verify(&path, 1);
    write_lines("short", (const int[]){0, 1, -1});
    const char *file = scratch_path(&folder, "short");
    cr_expect_eq(verify(&file, 1).fault, AUDIT_SOUND, "nothing else can show it");
    struct audit_verify wanted = {.wanted = whole.at.hash};
    cr_assert_eq(audit_verify_file(&wanted, file, NULL), STATUS_OK);
    audit_verify_end(&wanted);
    cr_expect_eq(wanted.fault, AUDIT_ABSENT);
    wanted = (struct audit_verify){.wanted = whole.at.hash};
    cr_assert_eq(audit_verify_file(&wanted, path, NULL), STATUS_OK);
    audit_verify_end(&wanted);
    cr_expect_eq(wanted.fault, AUDIT_SOUND);
}

Test(audit_log, a_file_that_cannot_be_read_is_no_verdict)
{
    struct audit_verify result = {0};
    struct error err = {0};
    cr_expect_neq(audit_verify_file(&result, scratch_path(&folder, "absent"), &err), STATUS_OK);
    cr_expect_neq(audit_verify_file(&result, folder.path, &err), STATUS_OK);
    cr_expect_eq(result.fault, AUDIT_SOUND);
}

/* ---- the thread ---- */

Test(audit_log, off_nothing_is_written_and_nothing_is_lost)
{
    start_log(NULL);
    audit_note(&(struct audit_event){.kind = AUDIT_PROCESS_STARTED}, "x");
    audit_refusal(&(struct audit_event){.kind = AUDIT_KEY_REFUSED}, "x");
    audit_log_tick();
    audit_log_stop();
    cr_expect_eq(audit_log_lost(), 0U);
}

Test(audit_log, all_that_was_said_is_in_the_file_when_it_stops)
{
    start_log(path);
    for (unsigned i = 0; i < 1000; i++) {
        audit_note(&(struct audit_event){.kind = AUDIT_CIRCUIT, .route = "r"}, "change %u", i);
    }
    audit_log_stop();
    expect_sound(1000);
    start_log(path);
    audit(LOG_LEVEL_INFO, &(struct audit_event){.kind = AUDIT_STORE_UP}, "store: %s", "it is back");
    audit_log_stop();
    expect_sound(1001);
    char *text CLEANUP(memory_free_at) = content("audit.json");
    cr_expect_not_null(strstr(text, "\"text\":\"store: it is back\""));
}

Test(audit_log, refusals_are_written_ten_a_second_and_the_rest_counted)
{
    start_log(path);
    for (unsigned i = 0; i < 5000; i++) {
        audit_refusal(&(struct audit_event){.kind = AUDIT_KEY_REFUSED, .peer = "192.0.2.7"}, "no");
    }
    audit_log_stop();
    char *text CLEANUP(memory_free_at) = content("audit.json");
    unsigned told = count_of(text, "\"key_refused\"");
    cr_expect_geq(told, 10U);
    cr_expect_leq(told, 50U, "%u: within some seconds at most", told);
    uint64_t counted = told;
    for (const char *at = text; (at = strstr(at, "\"refusals_left_out\",\"count\":")) != NULL;
         at++) {
        counted += strtoull(strstr(at, "count\":") + strlen("count\":"), NULL, 10);
    }
    cr_expect_eq(counted, 5000U, "%lu", (unsigned long)counted);
}

/* Its thread writes a moment later. */
static void await(const char *words)
{
    for (unsigned i = 0; i < 10000; i++) {
        char *text CLEANUP(memory_free_at) = content("audit.json");
        if (strstr(text, words) != NULL) {
            return;
        }
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    cr_assert_fail("%s is not written", words);
}

Test(audit_log, a_file_that_was_moved_is_followed_by_one_that_names_its_last_hash)
{
    const char *const both[] = {scratch_path(&folder, "audit.json.1"), path};
    start_log(path);
    audit_note(&(struct audit_event){.kind = AUDIT_PROCESS_STARTED}, "x");
    start_log(path); /* nothing has moved */
    await("process_started");
    cr_assert_eq(rename(path, both[0]), 0);
    start_log(path);
    audit_note(&(struct audit_event){.kind = AUDIT_CONFIG_TAKEN}, "x");
    audit_log_stop();

    struct audit_verify result = verify(both, 2);
    cr_expect_eq(result.fault, AUDIT_SOUND, "%s", result.text);
    cr_expect_eq(result.count, 3U);
    expect_sound(2); /* alone, too */
    struct audit_verify old = verify(both, 1);
    char *text CLEANUP(memory_free_at) = content("audit.json");
    char wanted[300];
    (void)snprintf(wanted, sizeof(wanted),
                   "\"event\":\"log_continued\",\"count\":1,\"text\":\"goes on from record 1 of "
                   "another file: %s\",\"prev\":\"%s\"",
                   old.at.hash, old.at.hash);
    cr_expect_not_null(strstr(text, wanted), "%s", text);
}

Test(audit_log, a_reload_may_end_it_and_begin_it_again)
{
    start_log(path);
    start_log(NULL);
    audit_note(&(struct audit_event){.kind = AUDIT_CONFIG_TAKEN}, "not told");
    start_log(path);
    audit_note(&(struct audit_event){.kind = AUDIT_CONFIG_TAKEN}, "told");
    audit_log_stop();
    expect_sound(2);
    char *text CLEANUP(memory_free_at) = content("audit.json");
    cr_expect_not_null(strstr(text, "log_ended"));
    cr_expect_null(strstr(text, "not told"));
}

Test(audit_log, what_was_prepared_and_not_taken_changes_nothing)
{
    const char *other = scratch_path(&folder, "other.json");
    start_log(path);
    cr_assert_eq(audit_log_prepare(other, NULL), STATUS_OK);
    audit_log_abandon();
    cr_assert_neq(audit_log_prepare("/proc/absent/audit", NULL), STATUS_OK);
    audit_log_commit();
    audit_note(&(struct audit_event){.kind = AUDIT_CONFIG_REFUSED}, "x");
    audit_log_stop();
    expect_sound(1);
}

Test(audit_log, a_torn_line_is_told)
{
    make_log(1);
    char *text CLEANUP(memory_free_at) = content("audit.json");
    (void)strcat(text, "{\"se");
    scratch_write_text(&folder, "audit.json", text);
    start_log(path);
    audit_log_stop();
    char *now CLEANUP(memory_free_at) = content("audit.json");
    cr_expect_not_null(strstr(now, "\"event\":\"log_torn\",\"count\":4,"), "%s", now);
    expect_sound(2);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = RLIM_INFINITY};
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* As a full disk does: a write fails halfway through a line. */
Test(audit_log, a_full_disk_tears_nothing_and_what_is_lost_is_counted_and_told)
{
    enum { EVENTS = 60000 };
    (void)signal(SIGXFSZ, SIG_IGN);
    limit_files(1000);
    start_log(path);
    for (unsigned i = 0; i < EVENTS; i++) { /* more than may wait */
        audit_note(&(struct audit_event){.kind = AUDIT_CIRCUIT, .route = "r"}, "change %u", i);
    }
    struct stat info;
    cr_expect_eq(stat(path, &info), 0);
    cr_expect_leq(info.st_size, 1000);
    uint64_t lost = audit_log_lost();
    cr_expect_gt(lost, 0U);
    limit_files(RLIM_INFINITY);
    audit_log_stop();

    struct audit_verify result = verify(&path, 1);
    cr_expect_eq(result.fault, AUDIT_SOUND, "%lu: %s", (unsigned long)result.line, result.text);
    struct buffer text CLEANUP(buffer_fini);
    buffer_init(&text, 64 * TEXT_MAX);
    cr_assert_eq(buffer_reserve(&text, 64 * TEXT_MAX - 1), STATUS_OK);
    size_t len = scratch_read(&folder, "audit.json", buffer_tail(&text), 64 * TEXT_MAX - 1);
    buffer_tail(&text)[len] = '\0';
    const char *told = strstr(buffer_tail(&text), "\"events_lost\",\"count\":");
    cr_assert_not_null(told);
    cr_expect_eq(strtoull(strstr(told, "count\":") + strlen("count\":"), NULL, 10), lost);
    cr_expect_eq(count_of(buffer_tail(&text), "\"events_lost\""), 1U);
    cr_expect_eq(result.count, EVENTS - lost + 1);
}

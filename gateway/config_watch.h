/*
 * config_watch: tells when the files of the config are others than those that were read last:
 * written, renamed over, swapped through a symbolic link, come or gone. Its eyes are inotify on the
 * folders that they, and what links to them, lie in; its judgement is what stat() says of the
 * files, so that other files there do not matter, nor does a reload that was asked for otherwise.
 * What the config names (certificates, ${file:...}) is not watched.
 *
 * A quiet moment is waited for, as several files may change. Main thread only.
 */
#pragma once

struct config_watch;
struct loop;

/* `path` is the file or folder, borrowed. It is on, and what is there now is noted. `changed` is
 * called by a timer of the loop. */
struct config_watch *config_watch_new(struct loop *loop, const char *path,
                                      void (*changed)(void *ctx), void *ctx);
void config_watch_free(struct config_watch *watch); /* takes NULL */

/* The caller is about to read the config: only what differs from now is a change. */
void config_watch_note(struct config_watch *watch);

enum config_watch_mode { CONFIG_WATCH_OFF, CONFIG_WATCH_ON };
void config_watch_set(struct config_watch *watch, enum config_watch_mode mode);

/*
 * listen_socket: a bound, listening socket from an address of the configuration. It accepts
 * nothing.
 */
#pragma once

#include "base/status.h"

#include <stdbool.h>

/* A listening, non-blocking, close-on-exec socket for "host:port", "[v6]:port" or "unix:/path".
 * TCP: with SO_REUSEPORT, after a probe bind without it, which finds a port that is taken
 * (`probe`: only for the first of several sockets on the address). Unix: a stale socket file is
 * replaced, a live one is 'in use'; there is one socket for an address, so several workers share
 * dup()s of it, or only one of them accepts. Errors say what to do. */
MUST_USE enum status listen_socket_open(const char *address, bool probe, int *ret_fd,
                                        struct error *err);
/* The port that was bound (for port 0), or 0. */
unsigned listen_socket_port(int fd);

/* What accepted sockets inherit: no delay, keep-alive probes. Also for a socket that was handed to
 * the process. */
void listen_socket_tune(int fd);

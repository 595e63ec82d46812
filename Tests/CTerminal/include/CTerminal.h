#ifndef HYPI_CTERMINAL_H
#define HYPI_CTERMINAL_H

#include <spawn.h>

/// Opens a pseudo-terminal; the name of its other end goes to `name`. Returns the descriptor, or -1 with errno set.
int hypi_open_terminal(char *name, int capacity);

/// Lets a child that is about to be started begin in a folder. Returns 0 or an error number.
int hypi_spawn_in(posix_spawn_file_actions_t *actions, const char *folder);

/// Lets a child that is about to be started inherit no descriptor but the first three. Returns 0 or an error number.
int hypi_spawn_with_three(posix_spawn_file_actions_t *actions);

/// Waits until a process has ended, which need not be a child. Returns 0, 1 if that takes longer, or -1 with errno set.
int hypi_wait_for_end(int pid, int milliseconds);

/// Listens on a TCP address (IPv4 or IPv6) as another user, which root alone may do; port 0 takes a free one, and *port
/// says which. Returns the descriptor, or -1 with errno set.
int hypi_listen_as(unsigned user, const char *address, int *port);

/// Accepts a connection as another user. Returns the descriptor, or -1 with errno set.
int hypi_accept_as(unsigned user, int listener);

#endif

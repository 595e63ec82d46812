#define _GNU_SOURCE
#include "CTerminal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int hypi_open_terminal(char *name, int capacity) {
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0) return -1;
    const char *other = grantpt(terminal) == 0 && unlockpt(terminal) == 0 ? ptsname(terminal) : NULL;
    if (other == NULL) {
        close(terminal);
        return -1;
    }
    snprintf(name, (size_t)capacity, "%s", other);
    return terminal;
}

int hypi_spawn_in(posix_spawn_file_actions_t *actions, const char *folder) {
    return posix_spawn_file_actions_addchdir_np(actions, folder);
}

#define _GNU_SOURCE 1

#include "CPlatform.h"

#include <errno.h>
#include <fcntl.h>

#ifdef __linux__
#include <sys/prctl.h>
#endif

int hypi_become_subreaper(void) {
#ifdef __linux__
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
#else
    errno = ENOSYS;
    return -1;
#endif
}

int hypi_passing_folder_flags(void) {
#if defined(O_PATH)
    return O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
#else
    return O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
#endif
}

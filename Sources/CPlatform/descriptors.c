#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "CPlatform.h"

#if defined(__linux__)
#include <sys/syscall.h>
#endif

/// Fills standard input, output and error where whoever started us has closed them.
///
/// Otherwise the next file or socket would take the number, and a log line would end up in somebody's connection.
/// What is put there can be read and is empty; writing to it fails, as writing to a closed descriptor does. It happens
/// before everything else, because the Swift runtime opens descriptors of its own before main.
__attribute__((constructor(101))) static void fill_standard_descriptors(void) {
    int descriptor;
    // open takes the lowest free number, so each one that is missing is filled in turn.
    do {
        descriptor = open("/dev/null", O_RDONLY);
    } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
    if (descriptor >= 0) close(descriptor);
}

int hypi_open_process(pid_t process) {
#if defined(__linux__) && defined(SYS_pidfd_open)
    return (int)syscall(SYS_pidfd_open, process, 0);
#else
    (void)process;
    errno = ENOSYS;
    return -1;
#endif
}

#define _GNU_SOURCE
#include "CPlatform.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

// A signal may be taken by a thread that knows nothing of the one that set this.
static _Atomic int signal_descriptor = -1;

static void forward_signal(int number) {
    int error = errno;
    unsigned char byte = (unsigned char)number;
    // A full pipe holds a wake-up already.
    ssize_t count = write(signal_descriptor, &byte, 1);
    (void)count;
    errno = error;
}

int hypi_forward_signal(int number, int descriptor) {
    signal_descriptor = descriptor;
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = forward_signal;
    action.sa_flags = SA_RESTART;
    return sigaction(number, &action, NULL);
}

static struct termios terminal_settings;
static volatile sig_atomic_t terminal_descriptor = -1;
// Bracketed paste off, synchronized update off, cursor on, attributes off.
static const char terminal_reset[] = "\033[?2004l\033[?2026l\033[?25h\033[m\r\n";

void hypi_restore_terminal(void) {
    int descriptor = terminal_descriptor;
    if (descriptor < 0) return;
    terminal_descriptor = -1;
    tcsetattr(descriptor, TCSANOW, &terminal_settings);
}

static void crashed(int number) {
    int descriptor = terminal_descriptor;
    if (descriptor >= 0) {
        hypi_restore_terminal();
        ssize_t count = write(descriptor, terminal_reset, sizeof terminal_reset - 1);
        (void)count;
    }
    raise(number);
}

int hypi_guard_terminal(int descriptor) {
    if (tcgetattr(descriptor, &terminal_settings) != 0) return -1;
    terminal_descriptor = descriptor;
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGQUIT};
    for (size_t index = 0; index < sizeof crashes / sizeof *crashes; index++) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_handler = crashed;
        // The default action is back when the handler runs, so that raising the signal again ends the process.
        action.sa_flags = (int)SA_RESETHAND | SA_NODEFER;
        if (sigaction(crashes[index], &action, NULL) != 0) return -1;
    }
    return 0;
}

int hypi_terminal_size(int descriptor, int *rows, int *columns) {
    struct winsize size;
    if (ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0) return -1;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return 0;
}

int hypi_character_width(unsigned int scalar) {
    return wcwidth((wchar_t)scalar);
}

int hypi_use_unicode(void) {
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") == 0) return 0;
    return setlocale(LC_CTYPE, "C.UTF-8") != NULL || setlocale(LC_CTYPE, "UTF-8") != NULL ? 0 : -1;
}

#define _GNU_SOURCE
#include "CTerminal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/fsuid.h>

// The owner of a socket is the file-system user of the thread that makes it, which other threads do not share.
static void become(unsigned user) { setfsuid(user); }
static int is_possible(void) { return geteuid() == 0; }
#else
static void become(unsigned user) { (void)user; }
static int is_possible(void) { return 0; }
#endif

int hypi_listen_as(unsigned user, const char *address, int *port) {
    if (!is_possible()) {
        errno = ENOSYS;
        return -1;
    }
    struct sockaddr_storage place;
    struct sockaddr_in *four = (struct sockaddr_in *)&place;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&place;
    memset(&place, 0, sizeof place);
    socklen_t size = sizeof *four;
    if (inet_pton(AF_INET, address, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((unsigned short)*port);
    } else if (inet_pton(AF_INET6, address, &six->sin6_addr) == 1) {
        size = sizeof *six;
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((unsigned short)*port);
    } else {
        errno = EINVAL;
        return -1;
    }
    become(user);
    int listener = socket(place.ss_family, SOCK_STREAM, 0);
    become(0);
    if (listener < 0) return -1;
    int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (size == sizeof *six) setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&place, size) != 0 || listen(listener, 64) != 0
        || getsockname(listener, (struct sockaddr *)&place, &size) != 0) {
        int code = errno;
        close(listener);
        errno = code;
        return -1;
    }
    *port = ntohs(size == sizeof *six ? six->sin6_port : four->sin_port);
    return listener;
}

int hypi_accept_as(unsigned user, int listener) {
    become(user);
    int connection = accept(listener, NULL, NULL);
    become(0);
    return connection;
}

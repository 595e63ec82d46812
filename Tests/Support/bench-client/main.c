/* Connects viewers to a relay and measures what reaches them, at a cost so small that it is not the limit.
 *
 *   bench-client [-c CONNECTIONS] [-s STALLED] [-q SUBPROTOCOL] [-H HELLO] [-k TOKEN] [-z] [-r] [-w] PORT PATH PROMPT
 *
 * Each connection is upgraded to a WebSocket (RFC 6455), or with -r left as plain TCP with a record a line. The first one
 * sends PROMPT; each of them reads until it has seen a record of type bench_end. STALLED more connections read nothing
 * after the upgrade. -H is a text every connection sends first; -z offers permessage-deflate and decompresses what comes.
 * With -w there is no prompt: each connection reads its snapshot, whose last message tells when it was written, and the
 * latencies are those from then to the snapshot's last byte.
 * It prints one JSON object: frames and bytes over all connections, seconds from the prompt and from the first record to
 * the last end, and the latency of each record of the first connection in microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

enum { buffer_size = 1 << 20, peek_size = 512, tail_size = 1024 };

struct viewer {
    int fd;
    int done;
    int in_payload;
    int opcode;
    int is_compressed;
    z_stream inflater;
    uint64_t left;          /* of the payload of the frame that is being read */
    unsigned char head[14];
    size_t head_count;
    char peek[peek_size + 1]; /* the first bytes of the payload */
    size_t peek_count;
    char tail[tail_size + 1]; /* the last bytes of the payload */
    size_t tail_count;
};

static unsigned char plain[1 << 16];

static int compressed, raw, snapshots;
static uint64_t frames, bytes, wire, first_record, last_end, start;
static double *latencies;
static size_t latency_count, latency_room;
static int open_viewers;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what) {
    fprintf(stderr, "bench-client: %s: %s\n", what, strerror(errno));
    exit(69);
}

static void put(int fd, const void *data, size_t count) {
    const char *at = data;
    while (count > 0) {
        ssize_t done = send(fd, at, count, MSG_NOSIGNAL);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) fail("send");
        at += done;
        count -= (size_t)done;
    }
}

/* One masked frame; the mask is zero, which is a mask (RFC 6455 section 5.3 only wants it unpredictable of browsers). */
static void put_frame(int fd, int opcode, const char *text, size_t count) {
    unsigned char head[14] = {(unsigned char)(0x80 | opcode)};
    size_t used = 2;
    if (count < 126) head[1] = (unsigned char)(0x80 | count);
    else {
        head[1] = 0x80 | 126;
        head[2] = (unsigned char)(count >> 8);
        head[3] = (unsigned char)count;
        used = 4;
    }
    put(fd, head, used + 4);
    put(fd, text, count);
}

static int dial(int port, const char *path, const char *subprotocol, const char *token) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (raw) return fd;
    char text[4096], answer[8192];
    int used = snprintf(text, sizeof text,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
                        path, port);
    if (subprotocol) used += snprintf(text + used, sizeof text - (size_t)used, "Sec-WebSocket-Protocol: %s\r\n", subprotocol);
    if (token) used += snprintf(text + used, sizeof text - (size_t)used, "Authorization: Bearer %s\r\n", token);
    if (compressed) used += snprintf(text + used, sizeof text - (size_t)used, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    used += snprintf(text + used, sizeof text - (size_t)used, "\r\n");
    put(fd, text, (size_t)used);
    size_t count = 0;
    while (count < sizeof answer - 1) {
        if (recv(fd, answer + count, 1, 0) != 1) fail("handshake");
        answer[++count] = 0;
        if (count >= 4 && memcmp(answer + count - 4, "\r\n\r\n", 4) == 0) break;
    }
    if (strncmp(answer, "HTTP/1.1 101", 12) != 0) {
        fprintf(stderr, "bench-client: refused: %.*s\n", (int)strcspn(answer, "\r"), answer);
        exit(69);
    }
    return fd;
}

static void note_latency(const char *sent, uint64_t at) {
    if (latency_count == latency_room) {
        latency_room = latency_room ? latency_room * 2 : 1 << 16;
        latencies = realloc(latencies, latency_room * sizeof *latencies);
        if (!latencies) fail("memory");
    }
    latencies[latency_count++] = (double)(at - strtoull(sent + 4, NULL, 10)) / 1000;
}

static void keep_tail(struct viewer *v, const unsigned char *data, size_t count) {
    if (count >= tail_size) {
        memcpy(v->tail, data + count - tail_size, tail_size);
        v->tail_count = tail_size;
        return;
    }
    size_t old = v->tail_count < tail_size - count ? v->tail_count : tail_size - count;
    memmove(v->tail, v->tail + v->tail_count - old, old);
    memcpy(v->tail + old, data, count);
    v->tail_count = old + count;
}

/* The end of a frame; whether it is the snapshot. */
static int take_snapshot(struct viewer *v, uint64_t at) {
    if (!strstr(v->peek, "\"welcome\"") && !strstr(v->peek, "\"init_state\"")) return 0;
    v->tail[v->tail_count] = 0;
    const char *sent = strstr(v->tail, "\"t\":");
    if (!sent) fail("a snapshot without a time");
    note_latency(sent, at);
    frames++;
    v->done = 1;
    open_viewers--;
    last_end = at;
    return 1;
}

static void record(struct viewer *v, int is_first, uint64_t at) {
    v->peek[v->peek_count] = 0;
    if (v->opcode == 9) {
        put_frame(v->fd, 10, v->peek, v->peek_count);
        return;
    }
    if (v->opcode == 8) {
        int code = v->peek_count > 1 ? (unsigned char)v->peek[0] << 8 | (unsigned char)v->peek[1] : 1005;
        fprintf(stderr, "bench-client: closed with %d %s\n", code, v->peek_count > 2 ? v->peek + 2 : "");
        exit(69);
    }
    if (!raw && v->opcode != 1 && v->opcode != 0) return;
    if (snapshots && take_snapshot(v, at)) return;
    const char *type = strstr(v->peek, "\"type\":\"bench");
    if (strstr(v->peek, "\"bench_end\"")) {
        v->done = 1;
        open_viewers--;
        last_end = at;
        return;
    }
    frames++;
    if (!type || !is_first) return;
    if (!first_record) first_record = at;
    const char *sent = strstr(type, "\"t\":");
    if (sent) note_latency(sent, at);
}

static void take_lines(struct viewer *v, int is_first, const char *data, size_t count, uint64_t at) {
    while (count > 0 && !v->done) {
        const char *end = memchr(data, '\n', count);
        size_t part = end ? (size_t)(end - data) : count;
        size_t keep = part < peek_size - v->peek_count ? part : peek_size - v->peek_count;
        memcpy(v->peek + v->peek_count, data, keep);
        v->peek_count += keep;
        bytes += part;
        if (!end) return;
        record(v, is_first, at);
        v->peek_count = 0;
        data += part + 1;
        count -= part + 1;
    }
}

/* Compressed payload: what comes out is looked at like any other. */
static void inflate_part(struct viewer *v, const unsigned char *data, size_t count) {
    v->inflater.next_in = (unsigned char *)data;
    v->inflater.avail_in = (unsigned)count;
    do {
        v->inflater.next_out = plain;
        v->inflater.avail_out = sizeof plain;
        int result = inflate(&v->inflater, Z_SYNC_FLUSH);
        if (result != Z_OK && result != Z_BUF_ERROR) {
            fprintf(stderr, "bench-client: not DEFLATE: %d\n", result);
            exit(76);
        }
        size_t part = sizeof plain - v->inflater.avail_out;
        size_t keep = part < peek_size - v->peek_count ? part : peek_size - v->peek_count;
        memcpy(v->peek + v->peek_count, plain, keep);
        v->peek_count += keep;
        if (snapshots) keep_tail(v, plain, part);
        bytes += part;
    } while (v->inflater.avail_out == 0);
}

static void take_frames(struct viewer *v, int is_first, const unsigned char *data, size_t count, uint64_t at) {
    while (!v->done && (count > 0 || (v->in_payload && v->left == 0))) {
        if (!v->in_payload) {
            v->head[v->head_count++] = *data++;
            count--;
            if (v->head_count < 2) continue;
            unsigned length = v->head[1] & 0x7f;
            size_t want = length == 126 ? 4 : length == 127 ? 10 : 2;
            if (v->head_count < want) continue;
            v->left = length;
            if (want > 2) {
                v->left = 0;
                for (size_t i = 2; i < want; i++) v->left = v->left << 8 | v->head[i];
            }
            v->opcode = v->head[0] & 15;
            v->is_compressed = v->head[0] & 0x40;
            v->in_payload = 1;
            v->peek_count = 0;
            v->tail_count = 0;
            v->head_count = 0;
        }
        size_t part = v->left < count ? (size_t)v->left : count;
        if (v->is_compressed) {
            inflate_part(v, data, part);
        } else {
            size_t keep = part < peek_size - v->peek_count ? part : peek_size - v->peek_count;
            memcpy(v->peek + v->peek_count, data, keep);
            v->peek_count += keep;
            if (snapshots) keep_tail(v, data, part);
            bytes += part;
        }
        v->left -= part;
        data += part;
        count -= part;
        if (v->left == 0) {
            v->in_payload = 0;
            if (v->is_compressed) inflate_part(v, (const unsigned char *)"\0\0\377\377", 4);
            record(v, is_first, at);
        }
    }
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double percentile(double part) {
    return latency_count ? latencies[(size_t)((double)(latency_count - 1) * part)] : 0;
}

int main(int argc, char **argv) {
    int connections = 1, stalled = 0, option;
    const char *subprotocol = NULL, *token = NULL, *hello = NULL;
    while ((option = getopt(argc, argv, "c:s:q:H:k:zrw")) != -1) {
        switch (option) {
        case 'c': connections = atoi(optarg); break;
        case 's': stalled = atoi(optarg); break;
        case 'q': subprotocol = optarg; break;
        case 'H': hello = optarg; break;
        case 'k': token = optarg; break;
        case 'z': compressed = 1; break;
        case 'r': raw = 1; break;
        case 'w': snapshots = 1; break;
        default: return 64;
        }
    }
    if (argc - optind < 3 || connections < 1) {
        fprintf(stderr, "usage: bench-client [-c N] [-s N] [-q SUBPROTOCOL] [-H HELLO] [-k TOKEN] [-zrw] PORT PATH PROMPT\n");
        return 64;
    }
    struct rlimit files = {65536, 65536};
    setrlimit(RLIMIT_NOFILE, &files);
    int port = atoi(argv[optind]);
    const char *path = argv[optind + 1], *prompt = argv[optind + 2];
    struct viewer *viewers = calloc((size_t)connections, sizeof *viewers);
    char *buffer = malloc(buffer_size);
    int poll = epoll_create1(0);
    if (!viewers || !buffer || poll < 0) fail("memory");
    for (int i = 0; i < connections + stalled; i++) {
        int fd = dial(port, path, subprotocol, token);
        if (i >= connections) {
            if (hello) put_frame(fd, 1, hello, strlen(hello));
            continue;
        }
        viewers[i].fd = fd;
        if (compressed && inflateInit2(&viewers[i].inflater, -15) != Z_OK) fail("zlib");
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    }
    for (int i = 0; hello && i < connections; i++) put_frame(viewers[i].fd, 1, hello, strlen(hello));
    open_viewers = connections;
    /* A bridge greets with a snapshot; the prompt follows once nothing has come for a moment. */
    int prompted = snapshots;
    start = now();
    while (open_viewers > 0) {
        struct epoll_event events[256];
        int count = epoll_wait(poll, events, 256, prompted ? 60000 : 200);
        if (count < 0 && errno == EINTR) continue;
        if (count == 0 && prompted) {
            fprintf(stderr, "bench-client: nothing came for a minute; %d viewers wait\n", open_viewers);
            return 75;
        }
        if (count == 0) {
            prompted = 1;
            frames = bytes = wire = 0;
            start = now();
            if (raw) {
                put(viewers[0].fd, prompt, strlen(prompt));
                put(viewers[0].fd, "\n", 1);
            } else {
                for (int i = 0; i < (strncmp(prompt, "all:", 4) ? 1 : connections); i++) {
                    const char *text = strncmp(prompt, "all:", 4) ? prompt : prompt + 4;
                    put_frame(viewers[i].fd, 1, text, strlen(text));
                }
            }
            continue;
        }
        for (int i = 0; i < count; i++) {
            struct viewer *v = &viewers[events[i].data.u32];
            ssize_t got = recv(v->fd, buffer, buffer_size, MSG_DONTWAIT);
            uint64_t at = now();
            if (got < 0 && errno == EAGAIN) continue;
            if (got <= 0) {
                fprintf(stderr, "bench-client: viewer %u lost\n", events[i].data.u32);
                return 69;
            }
            wire += (uint64_t)got;
            if (raw) take_lines(v, v == viewers, buffer, (size_t)got, at);
            else take_frames(v, v == viewers, (unsigned char *)buffer, (size_t)got, at);
            if (v->done) epoll_ctl(poll, EPOLL_CTL_DEL, v->fd, NULL);
        }
    }
    qsort(latencies, latency_count, sizeof *latencies, by_size);
    printf("{\"frames\":%llu,\"bytes\":%llu,\"wire\":%llu,\"seconds\":%.6f,\"streaming\":%.6f,\"p50\":%.1f,\"p99\":%.1f,"
           "\"max\":%.1f}\n",
           (unsigned long long)frames, (unsigned long long)bytes, (unsigned long long)wire,
           (double)(last_end - start) / 1e9, (double)(last_end - (first_record ? first_record : start)) / 1e9,
           percentile(0.5), percentile(0.99), percentile(1));
    return 0;
}

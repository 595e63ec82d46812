/* Many agents and dashboards of one registry, in one thread, at a cost so small that it is not the limit.
 *
 *   bench-registry PORT
 *
 * It reads a command a line from stdin and answers each with one JSON object on stdout when it is done. WINDOW is how many
 * connections may wait for an answer at once.
 *
 *   agents N WINDOW     opens N connections of agents that are not registered yet
 *   register N WINDOW   sends N registrations over the open connections of agents, each of its own node, in turn
 *   join N WINDOW       opens N connections of agents and registers each as soon as it is greeted
 *   watch N             opens N dashboards, which from then on read every event
 *   meet N              N times: registers an agent, waits until every dashboard was told, and deregisters it
 *   list N              asks N times for the whole roster, one after the other
 *
 * A command that registers is done when every dashboard has been told of it, too. Any refusal, lost connection or minute
 * without a byte ends it with a message.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
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

enum { buffer_size = 1 << 20, peek_size = 200 };
enum kind { agent, dashboard, asker };
enum stage { upgrading, greeted_next, at_rest, asking };

struct link {
    int fd;
    enum kind kind;
    enum stage stage;
    unsigned line_end;        /* of the response head: how much of its blank line has been seen */
    uint64_t left;            /* of the payload that is being read */
    int in_payload, opcode;
    unsigned char head[14];
    unsigned head_count, peek_count;
    char peek[peek_size + 1]; /* the first bytes of the payload */
};

static int port, poller;
static struct link **links;
static unsigned link_count, link_room, agent_count;
static char *buffer;
/* The command under way: how many answers it wants, has asked for and has got. */
static unsigned wanted, asked, answered, dashboards;
static int registers_at_once;
/* Agents, and the next of them to register. */
static unsigned *agents, next_agent;
static uint64_t told, wire, longest;
/* For `meet`: whom the dashboards are being told of, since when, and how many have been. */
static char meeting[64];
static uint64_t meeting_start;
static unsigned meeting_told;
static double *samples;
static size_t sample_count, sample_room;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what, const char *why) {
    fprintf(stderr, "bench-registry: %s: %s\n", what, why);
    exit(69);
}

static void *larger(void *memory, size_t count, size_t size) {
    void *more = realloc(memory, count * size);
    if (!more) fail("memory", strerror(errno));
    return more;
}

static void sample(double value) {
    if (sample_count == sample_room) {
        sample_room = sample_room ? sample_room * 2 : 1 << 12;
        samples = larger(samples, sample_room, sizeof *samples);
    }
    samples[sample_count++] = value;
}

/* What is sent is short and the peer reads, so that the kernel always has room for it. */
static void put(int fd, const void *data, size_t count) {
    if (send(fd, data, count, MSG_NOSIGNAL) != (ssize_t)count) fail("send", strerror(errno));
}

/* One masked text frame; the mask is zero, which is a mask (RFC 6455 section 5.3 only wants it unpredictable of browsers). */
static void put_text(int fd, const char *text, size_t count) {
    unsigned char frame[1024] = {0x81};
    size_t used = 2;
    if (count < 126) frame[1] = (unsigned char)(0x80 | count);
    else {
        frame[1] = 0x80 | 126;
        frame[2] = (unsigned char)(count >> 8);
        frame[3] = (unsigned char)count;
        used = 4;
    }
    memset(frame + used, 0, 4);
    memcpy(frame + used + 4, text, count);
    put(fd, frame, used + 4 + count);
}

static void dial(enum kind kind) {
    struct link *link = calloc(1, sizeof *link);
    if (!link) fail("memory", strerror(errno));
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    link->kind = kind;
    link->fd = socket(AF_INET, SOCK_STREAM, 0);
    /* From one address the search for a free port grows with those in use: each four thousand come from their own. */
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + link_count / 4000);
    setsockopt(link->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (link->fd < 0 || bind(link->fd, (struct sockaddr *)&from, sizeof from) < 0 || connect(link->fd, (struct sockaddr *)&to, sizeof to) < 0) fail("connect", strerror(errno));
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (link_count == link_room) {
        link_room = link_room ? link_room * 2 : 1024;
        links = larger(links, link_room, sizeof *links);
        agents = larger(agents, link_room, sizeof *agents);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = link_count};
    epoll_ctl(poller, EPOLL_CTL_ADD, link->fd, &event);
    if (kind == agent) agents[agent_count++] = link_count;
    links[link_count++] = link;
    char text[512];
    int used = snprintf(text, sizeof text,
                        "GET /ws%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                        kind == agent ? "?role=agent" : "", port);
    put(link->fd, text, (size_t)used);
}

/* What a pi-socket says of itself. */
static void send_registration(struct link *link, unsigned number) {
    char text[900];
    int used = snprintf(
        text, sizeof text,
        "{\"id\":1,\"method\":\"register\",\"params\":{\"id\":\"bench-%u\",\"machine\":\"bench\",\"cwd\":\"/home/bench/src/"
        "project-%u\",\"port\":%u,\"status\":\"active\",\"pid\":%u,\"name\":\"project-%u\",\"session_id\":\"0199f2a4-7c1e-"
        "7000-8000-%012u\",\"activity\":\"idle\",\"activity_since\":\"2026-01-01T00:00:00.000Z\",\"model\":\"demo/"
        "demo-large\",\"cost\":0.25,\"queued\":0,\"clients\":0,\"started_at\":\"2026-01-01T00:00:00.000Z\",\"version\":"
        "\"0.1.0\",\"instance\":\"%08x\"}}",
        number, number, 1 + number % 65535, number, number, number, number);
    link->stage = asking;
    put_text(link->fd, text, (size_t)used);
}

static void register_next(void) {
    unsigned number = next_agent++ % agent_count;
    asked++;
    send_registration(links[agents[number]], number);
}

/* A connection is ready for what comes next in the command. */
static void go_on(struct link *link, unsigned number) {
    link->stage = at_rest;
    if (registers_at_once && link->kind == agent) return send_registration(link, number);
    answered++;
}

static void text_came(struct link *link, unsigned index) {
    const char *text = link->peek;
    if (strncmp(text, "{\"event\":", 9) == 0) {
        if (strncmp(text + 9, "\"init\"", 6) == 0) {
            /* Of agents only the newest are in this stage, in the order of their numbers. */
            unsigned number = agent_count;
            while (link->kind == agent && number > 0 && agents[number - 1] != index) number--;
            return go_on(link, number - 1);
        }
        if (link->kind != dashboard || strncmp(text + 9, "\"node_joined\"", 13) != 0) return;
        told++;
        if (!*meeting) return;
        if (!strstr(text, meeting)) fail("a dashboard was told of another agent", text);
        meeting_told++;
        return;
    }
    if (!strstr(text, "\"result\"")) fail("refused", text);
    link->stage = at_rest;
    answered++;
}

static void take(struct link *link, unsigned index, const unsigned char *data, size_t count) {
    static const char blank[] = "\r\n\r\n";
    wire += count;
    while (link->stage == upgrading && count > 0) {
        if (link->peek_count < 12) link->peek[link->peek_count++] = (char)*data;
        link->line_end = *data == blank[link->line_end] ? link->line_end + 1 : *data == '\r';
        data++, count--;
        if (link->line_end < 4) continue;
        if (strncmp(link->peek, "HTTP/1.1 101", 12) != 0) fail("the upgrade is refused", link->peek);
        link->stage = greeted_next;
    }
    while (count > 0) {
        if (!link->in_payload) {
            link->head[link->head_count++] = *data++;
            count--;
            if (link->head_count < 2) continue;
            unsigned length = link->head[1] & 0x7f, want = length == 126 ? 4 : length == 127 ? 10 : 2;
            if (link->head_count < want) continue;
            link->left = want > 2 ? 0 : length;
            for (unsigned i = 2; i < want; i++) link->left = link->left << 8 | link->head[i];
            if (link->left > longest) longest = link->left;
            link->opcode = link->head[0] & 15;
            link->in_payload = 1;
            link->peek_count = link->head_count = 0;
        }
        size_t part = link->left < count ? (size_t)link->left : count;
        size_t keep = part < peek_size - link->peek_count ? part : peek_size - link->peek_count;
        memcpy(link->peek + link->peek_count, data, keep);
        link->peek_count += (unsigned)keep;
        link->left -= part;
        data += part;
        count -= part;
        if (link->left > 0) continue;
        link->in_payload = 0;
        link->peek[link->peek_count] = 0;
        if (link->opcode == 1) text_came(link, index);
        else if (link->opcode == 9) {
            unsigned char pong[6 + 125] = {0x8a, (unsigned char)(0x80 | link->peek_count)};
            memcpy(pong + 6, link->peek, link->peek_count);
            put(link->fd, pong, 6 + link->peek_count);
        } else if (link->opcode == 8) fail("closed", link->peek_count > 2 ? link->peek + 2 : "without a reason");
    }
}

/* Reads what has come on any connection. */
static void turn(void) {
    struct epoll_event events[256];
    int count = epoll_wait(poller, events, 256, 60000);
    if (count < 0 && errno != EINTR) fail("epoll", strerror(errno));
    if (count == 0) fail("nothing came for a minute", "giving up");
    for (int i = 0; i < count; i++) {
        unsigned index = events[i].data.u32;
        ssize_t got = recv(links[index]->fd, buffer, buffer_size, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) continue;
        if (got <= 0) fail("a connection is lost", got < 0 ? strerror(errno) : "end");
        take(links[index], index, (unsigned char *)buffer, (size_t)got);
    }
}

/* Lets `next` ask until everything wanted is answered, with so many under way at once. */
static void run(unsigned count, unsigned window, void (*next)(void)) {
    wanted = count;
    asked = answered = 0;
    while (answered < wanted) {
        while (asked < wanted && asked - answered < window) next();
        turn();
    }
}

static void dial_agent(void) {
    asked++;
    dial(agent);
}

static void dial_dashboard(void) {
    asked++;
    dial(dashboard);
}

static void ask_list(void) {
    static const char request[] = "{\"id\":1,\"method\":\"list_nodes\"}";
    asked++;
    links[link_count - 1]->stage = asking;
    put_text(links[link_count - 1]->fd, request, sizeof request - 1);
}

static void dial_asker(void) {
    asked++;
    dial(asker);
}

static void meet_one(unsigned round) {
    registers_at_once = 0;
    if (round == 0) run(1, 1, dial_agent);
    unsigned number = agent_count - 1;
    struct link *link = links[agents[number]];
    snprintf(meeting, sizeof meeting, "\"bench-%u\"", number);
    meeting_told = wanted = answered = 0;
    wanted = 1;
    meeting_start = now();
    send_registration(link, number);
    uint64_t all_told = 0;
    while (answered < wanted || meeting_told < dashboards) {
        turn();
        if (!all_told && meeting_told >= dashboards) all_told = now();
    }
    sample((double)(all_told - meeting_start) / 1000);
    *meeting = 0;
    char text[128];
    int used = snprintf(text, sizeof text, "{\"id\":1,\"method\":\"deregister\",\"params\":{\"id\":\"bench-%u\"}}", number);
    answered = 0;
    put_text(link->fd, text, (size_t)used);
    while (answered < wanted) turn();
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void perform(const char *word, unsigned count, unsigned window) {
    uint64_t events = 0;
    registers_at_once = 0;
    if (strcmp(word, "agents") == 0) run(count, window, dial_agent);
    else if (strcmp(word, "register") == 0) {
        if (agent_count == 0) fail("register", "there are no agents");
        events = count;
        if (window > agent_count) window = agent_count;
        run(count, window, register_next);
    } else if (strcmp(word, "join") == 0) {
        registers_at_once = 1;
        events = count;
        run(count, window, dial_agent);
    } else if (strcmp(word, "watch") == 0) {
        run(count, 1, dial_dashboard);
        dashboards += count;
    } else if (strcmp(word, "meet") == 0) {
        for (unsigned i = 0; i < count; i++) meet_one(i);
    } else if (strcmp(word, "list") == 0) {
        run(1, 1, dial_asker);
        longest = 0;
        for (unsigned i = 0; i < count; i++) {
            uint64_t start = now();
            run(1, 1, ask_list);
            sample((double)(now() - start) / 1000);
        }
    } else fail("no such command", word);
    while (told < events * dashboards) turn();
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: bench-registry PORT\n");
        return 64;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    port = atoi(argv[1]);
    poller = epoll_create1(0);
    buffer = malloc(buffer_size);
    if (!buffer || poller < 0) fail("memory", strerror(errno));
    char line[128], word[32];
    unsigned count, window;
    while (fgets(line, sizeof line, stdin)) {
        window = 64;
        if (sscanf(line, "%31s %u %u", word, &count, &window) < 2 || count < 1 || window < 1) fail("not a command", line);
        sample_count = 0;
        told = wire = longest = 0;
        uint64_t start = now();
        perform(word, count, window);
        double seconds = (double)(now() - start) / 1e9;
        qsort(samples, sample_count, sizeof *samples, by_size);
        printf("{\"count\":%u,\"seconds\":%.6f,\"wire\":%llu,\"longest\":%llu,\"p50\":%.1f,\"p99\":%.1f}\n", count, seconds,
               (unsigned long long)wire, (unsigned long long)longest, sample_count ? samples[sample_count / 2] : 0,
               sample_count ? samples[(sample_count - 1) * 99 / 100] : 0);
        fflush(stdout);
    }
    return 0;
}

/* Takes the place of pi, or of any program behind a relay, and writes records of one size at one rate.
 *
 *   bench-source SIZE COUNT RATE [ANSWER-FILE | conversation:BYTES]
 *
 * It answers pi's questions just well enough that a bridge is ready. On the first line of stdin that holds "prompt" it
 * writes COUNT records of SIZE bytes (LF not counted), RATE a second (0: as fast as they are taken), each with its number
 * and the time of its writing by CLOCK_MONOTONIC in nanoseconds, and a last one of type bench_end. With ANSWER-FILE,
 * what follows the prompt is that file, and COUNT and RATE do not count. With conversation:BYTES it answers get_messages
 * with so many bytes of messages, the last of which tells the time right before the last write.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char *out;
static size_t held, room;

static void put(const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t done = write(STDOUT_FILENO, bytes, count);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) exit(0);
        bytes += done;
        count -= (size_t)done;
    }
}

static void flush(void) {
    put(out, held);
    held = 0;
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void say(const char *line) {
    put(line, strlen(line));
    put("\n", 1);
}

/* The raw value of "id", or nothing. */
static void answer(const char *line, const char *command, const char *data) {
    char text[4096], id[256] = "";
    const char *at = strstr(line, "\"id\":");
    if (at) {
        at += 5;
        size_t n = strcspn(at, ",}");
        if (n < 200) snprintf(id, sizeof id, "\"id\":%.*s,", (int)n, at);
    }
    snprintf(text, sizeof text, "{%s\"type\":\"response\",\"command\":\"%s\",\"success\":true%s%s}", id, command,
             *data ? ",\"data\":" : "", data);
    say(text);
}

static void flood(size_t size, long count, double rate) {
    static const char tail[] = "\"}\n";
    char head[128];
    uint64_t start = now();
    for (long n = 0; n < count; n++) {
        if (rate > 0) {
            uint64_t due = start + (uint64_t)((double)n * 1e9 / rate);
            struct timespec t = {(time_t)(due / 1000000000u), (long)(due % 1000000000u)};
            while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {}
        }
        int used = snprintf(head, sizeof head, "{\"type\":\"bench\",\"n\":%ld,\"t\":%llu,\"pad\":\"", n,
                            (unsigned long long)now());
        size_t whole = size + 1 > (size_t)used + sizeof tail ? size + 1 : (size_t)used + sizeof tail;
        if (held + whole > room) flush();
        memcpy(out + held, head, (size_t)used);
        memset(out + held + used, 'x', whole - (size_t)used - (sizeof tail - 1));
        memcpy(out + held + whole - (sizeof tail - 1), tail, sizeof tail - 1);
        held += whole;
        if (rate > 0) flush();
    }
    flush();
}

/* Messages as they are in a session of a coding agent: a question, an answer, what a tool said, in turn. */
static size_t put_message(long n) {
    static const char line[] = "    let value = table[\\\"name\\\"] ?? fallback(index: 12, limit: 345)\\n";
    static const long lines[] = {3, 30, 300};
    static const char *const roles[] = {"user", "assistant", "toolResult"};
    size_t used = (size_t)sprintf(out + held, "%s{\"role\":\"%s\",\"content\":[{\"type\":\"text\",\"text\":\"",
                                  n ? "," : "", roles[n % 3]);
    for (long count = lines[n % 3]; count > 0; count--) {
        memcpy(out + held + used, line, sizeof line - 1);
        used += sizeof line - 1;
    }
    used += (size_t)sprintf(out + held + used, "\"}],\"timestamp\":%ld}", 1700000000000 + n);
    held += used;
    return used;
}

static void tell(const char *line, size_t bytes) {
    char id[64] = "";
    const char *at = strstr(line, "\"id\":");
    if (at) snprintf(id, sizeof id, "\"id\":%.*s,", (int)strcspn(at + 5, ",}"), at + 5);
    held = (size_t)sprintf(
        out, "{%s\"type\":\"response\",\"command\":\"get_messages\",\"success\":true,\"data\":{\"messages\":[", id);
    long n = 0;
    for (size_t told = 0; told < bytes; n++) {
        if (held + 32768 > room) flush();
        told += put_message(n);
    }
    flush();
    held = (size_t)sprintf(
        out, "%s{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"end\"}],\"t\":%llu}]}}\n",
        n ? "," : "", (unsigned long long)now());
    flush();
}

static void play(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) exit(66);
    size_t got;
    while ((got = fread(out, 1, room, file)) > 0) put(out, got);
    fclose(file);
}

int main(int count, char **words) {
    if (count < 4) {
        fprintf(stderr, "usage: bench-source SIZE COUNT RATE [ANSWER-FILE | conversation:BYTES]\n");
        return 64;
    }
    size_t size = strtoul(words[1], NULL, 10);
    long records = strtol(words[2], NULL, 10);
    double rate = strtod(words[3], NULL);
    const char *file = count > 4 && words[4][0] == '/' ? words[4] : NULL;
    int tells = count > 4 && strncmp(words[4], "conversation:", 13) == 0;
    size_t conversation = tells ? strtoul(words[4] + 13, NULL, 10) : 0;
    room = size + 256 > 65536 ? size + 256 : 65536;
    out = malloc(room);
    if (!out) return 71;

    char *line = NULL;
    size_t space = 0;
    int played = 0;
    while (getline(&line, &space, stdin) > 0) {
        if (strstr(line, "\"prompt\"")) {
            answer(line, "prompt", "");
            if (played++) continue;
            if (file) play(file);
            else flood(size, records, rate);
            say("{\"type\":\"bench_end\"}");
        } else if (strstr(line, "\"get_state\"")) {
            answer(line, "get_state", "{\"isStreaming\":false,\"isCompacting\":false,\"pendingMessageCount\":0}");
        } else if (strstr(line, "\"get_messages\"")) {
            if (tells) tell(line, conversation);
            else answer(line, "get_messages", "{\"messages\":[]}");
        } else if (strstr(line, "\"get_commands\"")) {
            answer(line, "get_commands", "{\"commands\":[]}");
        } else if (strstr(line, "\"get_session_stats\"")) {
            answer(line, "get_session_stats", "{\"cost\":0}");
        } else {
            answer(line, "other", "");
        }
    }
    return 0;
}

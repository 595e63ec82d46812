// Times commands against each other: they take turns, so that whatever else the machine does hits all alike.
//
//   stopwatch ROUNDS [--until TEXT] COMMAND... [-- COMMAND...]...
//
// Prints each command's median, quartiles and extremes in milliseconds and the median of its processor time, tab-separated,
// a line each. With --until each runs on a terminal of its own until it has shown TEXT, and is killed then.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

// Waits for a child.
static int end(pid_t child, double *cpu) {
    int status;
    struct rusage usage;
    wait4(child, &status, 0, &usage);
    *cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
    return status;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

// Runs a command to its end, silently.
static double run(char **command, double *cpu) {
    double start = now();
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        int nothing = open("/dev/null", O_RDWR);
        dup2(nothing, STDIN_FILENO);
        dup2(nothing, STDOUT_FILENO);
        execvp(command[0], command);
        fail(command[0]);
    }
    int status = end(child, cpu);
    if (status != 0) {
        fprintf(stderr, "stopwatch: %s ended with %d\n", command[0], status);
        exit(1);
    }
    return now() - start;
}

// Runs a command on a terminal until it has shown a text.
static double run_until(const char *text, char **command, double *cpu) {
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    double start = now();
    int terminal;
    pid_t child = forkpty(&terminal, NULL, NULL, &size);
    if (child < 0) fail("forkpty");
    if (child == 0) {
        execvp(command[0], command);
        fail(command[0]);
    }
    char shown[1 << 16] = "";
    size_t count = 0;
    while (!strstr(shown, text)) {
        ssize_t got = read(terminal, shown + count, sizeof shown - 1 - count);
        if (got <= 0) fail("the terminal");
        count += (size_t)got;
        shown[count] = 0;
    }
    double duration = now() - start;
    kill(child, SIGKILL);
    end(child, cpu);
    close(terminal);
    return duration;
}

static int compare(const void *left, const void *right) {
    double difference = *(const double *)left - *(const double *)right;
    return (difference > 0) - (difference < 0);
}

int main(int count, char **words) {
    int rounds = count > 2 ? atoi(words[1]) : 0;
    if (rounds < 1) return fputs("usage: stopwatch ROUNDS [--until TEXT] COMMAND... [-- COMMAND...]...\n", stderr), 64;
    int first = 2;
    const char *text = NULL;
    if (strcmp(words[2], "--until") == 0 && count > 4) {
        text = words[3];
        first = 4;
    }
    char **commands[16];
    int commandCount = 0;
    for (int index = first; index < count; index++) {
        if (index == first || words[index - 1] == NULL) commands[commandCount++] = words + index;
        if (strcmp(words[index], "--") == 0) words[index] = NULL;
    }
    double *times = calloc((size_t)(commandCount * rounds), sizeof *times);
    double *cpus = calloc((size_t)(commandCount * rounds), sizeof *cpus);
    // The first round warms the caches and does not count.
    for (int round = -1; round < rounds; round++) {
        for (int index = 0; index < commandCount; index++) {
            double cpu = 0;
            double time = text ? run_until(text, commands[index], &cpu) : run(commands[index], &cpu);
            if (round < 0) continue;
            times[index * rounds + round] = time;
            cpus[index * rounds + round] = cpu;
        }
    }
    for (int index = 0; index < commandCount; index++) {
        double *mine = times + index * rounds, *processor = cpus + index * rounds;
        qsort(mine, (size_t)rounds, sizeof *mine, compare);
        qsort(processor, (size_t)rounds, sizeof *processor, compare);
        printf(
            "%.2f\t%.2f\t%.2f\t%.2f\t%.2f\t%.2f\n", mine[rounds / 2], mine[rounds / 4], mine[rounds * 3 / 4], mine[0],
            mine[rounds - 1], processor[rounds / 2]);
    }
    return 0;
}

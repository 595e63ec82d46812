// The least a client of an agent can do: one WebSocket, one prompt, wait until the agent has settled.
//
//   ws-ask PORT TOKEN PROMPT
//
// It speaks the session dialect (specs/protocol.md, section 3) as far as that takes, and prints nothing: what
// hypi-attach is measured against.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int peer;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void put(const void *bytes, size_t count) {
    for (const char *at = bytes; count > 0;) {
        ssize_t written = write(peer, at, count);
        if (written <= 0) fail("write");
        at += written;
        count -= (size_t)written;
    }
}

static void get(void *bytes, size_t count) {
    static char buffer[1 << 16];
    static size_t start, end;
    for (char *at = bytes; count > 0;) {
        if (start == end) {
            ssize_t got = read(peer, buffer, sizeof buffer);
            if (got <= 0) fail("read");
            start = 0;
            end = (size_t)got;
        }
        size_t piece = end - start < count ? end - start : count;
        memcpy(at, buffer + start, piece);
        start += piece;
        at += piece;
        count -= piece;
    }
}

// A text frame with a mask of zeros, which leaves the payload as it is.
static void send_text(const char *text) {
    size_t length = strlen(text);
    uint8_t head[8] = {0x81, length < 126 ? 0x80 | (uint8_t)length : 0x80 | 126, (uint8_t)(length >> 8), (uint8_t)length};
    static const uint8_t mask[4];
    put(head, length < 126 ? 2 : 4);
    put(mask, 4);
    put(text, length);
}

// The next frame's payload, with a zero behind it.
static char *receive(void) {
    uint8_t head[2], more[8];
    get(head, 2);
    uint64_t length = head[1] & 0x7F;
    int extra = length == 126 ? 2 : length == 127 ? 8 : 0;
    if (extra) {
        get(more, (size_t)extra);
        length = 0;
        for (int index = 0; index < extra; index++) length = length << 8 | more[index];
    }
    static char *payload;
    static uint64_t capacity;
    if (length >= capacity && !(payload = realloc(payload, capacity = length + 1))) fail("realloc");
    get(payload, length);
    payload[length] = 0;
    return payload;
}

int main(int count, char **words) {
    if (count != 4) return fputs("usage: ws-ask PORT TOKEN PROMPT\n", stderr), 64;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer = socket(AF_INET, SOCK_STREAM, 0);
    int on = 1;
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(peer, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
    char text[4096];
    snprintf(
        text, sizeof text,
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: pi-server.v1\r\nAuthorization: Bearer %s\r\n\r\n",
        words[1], words[2]);
    put(text, strlen(text));
    char last[4] = "";
    while (memcmp(last, "\r\n\r\n", 4) != 0) {
        memmove(last, last + 1, 3);
        get(last + 3, 1);
    }
    send_text("{\"type\":\"hello\",\"protocolVersion\":1,\"clientId\":\"ws-ask\",\"stream\":\"delta\"}");
    while (!strstr(receive(), "\"type\":\"welcome\"")) {}
    snprintf(
        text, sizeof text,
        "{\"type\":\"command\",\"payload\":{\"id\":\"1\",\"type\":\"prompt\",\"message\":\"%s\","
        "\"streamingBehavior\":\"followUp\"}}",
        words[3]);
    send_text(text);
    while (!strstr(receive(), "\"agent_settled\"")) {}
    return 0;
}

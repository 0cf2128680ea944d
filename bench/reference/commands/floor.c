// floor WS-PORT INNER-PORT: the least that a gateway does for a command, in C. One loop
// of epoll accepts, reads, looks the client up by the number in its uid, sends and
// closes. It checks nothing and knows handshakes, BIND_UID and SEND_TO_UID.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX = 20000, HEADER = 28, BIND_UID = 12, SEND_TO_UID = 14 };

static int poll_fd, clients, by_id[MAX], by_uid[MAX];
static char upgraded[MAX], inner[MAX], b[1 << 16];

static int listener(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (void *)&at, sizeof at) || listen(fd, 4096)) perror("listen"), exit(1);
    return fd;
}

static void watch(int fd) {
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &e);
}

static uint32_t number(int at) {
    uint32_t n;
    memcpy(&n, b + at, 4);
    return ntohl(n);
}

static void execute(int n) {
    uint32_t ext = number(24), body = n - HEADER - ext;
    b[n] = 0;
    if (b[4] == BIND_UID) by_uid[atoi(b + HEADER + 1)] = by_id[number(17)];
    if (b[4] != SEND_TO_UID || body > 125) return;
    char m[2 + 125] = {(char)0x81, body};
    memcpy(m + 2, b + HEADER + ext, body);
    send(by_uid[atoi(b + HEADER + 3)], m, 2 + body, MSG_NOSIGNAL);
}

static void upgrade(int fd) {
    char m[512];
    upgraded[fd] = 1;
    by_id[++clients] = fd;
    int head = sprintf(m, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    int n = sprintf(m + head + 2, "{\"client_id\":\"7f0000010b54%08x\"}", clients);
    m[head] = (char)0x81, m[head + 1] = n;
    send(fd, m, head + 2 + n, MSG_NOSIGNAL);
}

// take reads a connection until it is empty and tells whether it goes on.
static int take(int fd) {
    for (int n; (n = recv(fd, b, sizeof b - 1, 0)) != 0;) {
        if (n < 0) return 1;
        if (inner[fd]) execute(n);
        else if (!upgraded[fd]) upgrade(fd);
    }
    close(fd);
    return 0;
}

int main(int n, char **args) {
    if (n != 3) return fprintf(stderr, "floor WS-PORT INNER-PORT\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    int ports[] = {listener(atoi(args[1])), listener(atoi(args[2]))};
    poll_fd = epoll_create1(0);
    watch(ports[0]), watch(ports[1]);
    for (struct epoll_event e[256];;) {
        int ready = epoll_wait(poll_fd, e, 256, -1);
        for (int i = 0; i < ready; i++) {
            int fd = e[i].data.fd;
            if (fd != ports[0] && fd != ports[1]) {
                take(fd);
                continue;
            }
            for (int c; (c = accept4(fd, NULL, NULL, SOCK_NONBLOCK)) >= 0 && c < MAX;) {
                upgraded[c] = 0, inner[c] = fd == ports[1];
                if (take(c)) watch(c);
            }
        }
    }
}

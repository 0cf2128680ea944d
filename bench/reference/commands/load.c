// load WS-PORT INNER-PORT SERVER-PID SECONDS: how many sendToUid a second a gateway of
// GatewayWorker's takes, with a connection for each as GatewayClient opens them, and
// what CPU each costs the server. Every message is received and counted; no more than
// WINDOW are on their way. One line on stdout.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS = 100, BODY = 100, WINDOW = 512, BATCH = 32, HEADER = 28, BIND_UID = 12, SEND_TO_UID = 14 };

static atomic_long received;
static int clients[CLIENTS];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

// cpu is what all threads of a process have used, in seconds.
static double cpu(int pid) {
    char path[300];
    double all = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *d = opendir(path);
    if (!d) fail(path);
    for (struct dirent *e; (e = readdir(d));) {
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
        unsigned long long ns;
        if (f && fscanf(f, "%llu", &ns) == 1) all += ns / 1e9;
        if (f) fclose(f);
    }
    closedir(d);
    return all;
}

static int dial(int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (void *)&to, sizeof to)) fail("connect");
    return fd;
}

// command sends one frame on a connection of its own.
static void command(int port, int code, uint32_t id, const char *ext, const char *body, int length) {
    char b[HEADER + 64 + BODY] = {0};
    int extra = strlen(ext), n = HEADER + extra + length;
    uint32_t total = htonl(n), to = htonl(id), e = htonl(extra);
    memcpy(b, &total, 4);
    b[4] = code;
    memcpy(b + 17, &to, 4);
    b[21] = 1; // a plain body
    memcpy(b + 24, &e, 4);
    memcpy(b + HEADER, ext, extra);
    memcpy(b + HEADER + extra, body, length);
    int fd = dial(port);
    if (write(fd, b, n) != n) fail("write");
    close(fd);
}

// client shakes hands, and returns the connection id of its client id.
static uint32_t client(int port, int *fd) {
    static const char head[] = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    char b[4096] = {0}, *id;
    int n = 0;
    *fd = dial(port);
    if (write(*fd, head, sizeof head - 1) < 0) fail("write");
    while (!(id = strstr(b, "\"client_id\":\"")) || strlen(id) < 13 + 20 + 2) {
        int r = recv(*fd, b + n, sizeof b - 1 - n, 0);
        if (r <= 0) fail("no init message");
        n += r;
    }
    id[13 + 20] = 0;
    return strtoul(id + 13 + 12, NULL, 16);
}

// reader counts messages, all of which have the same length.
static void *reader(void *unused) {
    static int part[CLIENTS];
    static char b[1 << 16];
    int poll = epoll_create1(0);
    for (int i = 0; i < CLIENTS; i++) {
        struct epoll_event e = {.events = EPOLLIN, .data.fd = i};
        epoll_ctl(poll, EPOLL_CTL_ADD, clients[i], &e);
    }
    for (struct epoll_event e[CLIENTS];; usleep(500)) {
        int n = epoll_wait(poll, e, CLIENTS, -1);
        for (int i = 0; i < n; i++) {
            int c = e[i].data.fd, r = recv(clients[c], b, sizeof b, 0);
            if (r <= 0) fail("a client was closed");
            received += (part[c] + r) / (2 + BODY);
            part[c] = (part[c] + r) % (2 + BODY);
        }
    }
    return unused;
}

int main(int n, char **args) {
    if (n != 5) return fprintf(stderr, "load WS-PORT INNER-PORT SERVER-PID SECONDS\n"), 2;
    int ws = atoi(args[1]), inner = atoi(args[2]), pid = atoi(args[3]);
    double seconds = atof(args[4]), from = 0, serverFrom = 0, ownFrom = 0, began;
    char body[BODY], ext[32];
    memset(body, 'x', BODY);
    for (int i = 0; i < CLIENTS; i++) {
        uint32_t id = client(ws, &clients[i]);
        snprintf(ext, sizeof ext, "u%d", i);
        command(inner, BIND_UID, id, ext, "", 0);
    }
    pthread_t thread;
    pthread_create(&thread, NULL, reader, NULL);
    long sent = 0, before = 0;
    for (began = now();;) {
        double t = now();
        if (!from && t - began > 1) from = t, serverFrom = cpu(pid), ownFrom = cpu(getpid()), before = sent;
        if (from && t - from > seconds) break;
        for (int i = 0; i < BATCH; i++, sent++) {
            snprintf(ext, sizeof ext, "[\"u%ld\"]", sent % CLIENTS);
            command(inner, SEND_TO_UID, 0, ext, body, BODY);
        }
        for (double since = now(); sent - received > WINDOW; usleep(50))
            if (now() - since > 5) return fprintf(stderr, "%ld messages lost\n", sent - received), 1;
    }
    for (double since = now(); received < sent && now() - since < 5;) usleep(1000);
    double took = now() - from, server = cpu(pid) - serverFrom, own = cpu(getpid()) - ownFrom;
    long commands = sent - before;
    printf("%7.0f commands/s  %5.1f us of server CPU  %5.1f us of load  %ld lost\n", commands / took,
           server * 1e6 / commands, own * 1e6 / commands, sent - received);
}

// floor --listen HOST:PORT --control HOST:PORT [--ping-interval SECONDS]
//
// What a push gateway cannot go below with plain system calls, in C: a loop of send()
// over all sockets, one thread a core. Each thread has a listener, an epoll and sockets
// of its own; the first also serves the control port. It accepts WebSocket handshakes,
// sends an init message as long as castgate's, throws away what clients send, and
// broadcasts what is posted to /v1/push/raw?all=1. It knows no uids, no groups and no
// back-pressure: a socket that does not take a message at once has lost it, and the
// answer says so.
#define _GNU_SOURCE
#include "floor.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_THREADS = 64,
    MAX_CALLERS = 64, // each has one broadcast under way, so a queue never overflows
    MAX_QUEUE = 2 * MAX_CALLERS,
    MAX_HEAD = 32 << 10,
    MAX_BODY = 1 << 20,
    BACKLOG = 4096,
    PING_TICK_MS = 50,
};

enum kind { NEW, CLIENT, CALLER, REFUSED, LISTENER, CONTROL, BELL, TIMER };

struct sock {
    enum kind kind;
    int place; // of a client in its worker's fds
    unsigned long serial; // tells connections apart that had the same number
    char *in;  // what has come of a head or a request; NULL for none
    int len;
};

struct push {
    atomic_int workers; // not done with it
    atomic_long matched, lost;
    int caller;
    unsigned long serial; // of the caller
    int len;
    char frame[];
};

struct worker {
    int epoll, bell, timer;
    int *fds, n, room;   // clients
    int cursor;          // next client to ping
    struct timespec pinged;
    pthread_mutex_t mu;  // guards what follows
    struct push *queue[MAX_QUEUE];
    unsigned head, tail;
};

static struct worker workers[MAX_THREADS];
static struct sock *socks; // by file descriptor
static int threads, max_fd, ping_interval, callers;
static unsigned long serials; // of callers; the first worker's

static void die(const char *what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void watch(struct worker *w, int fd, enum kind kind) {
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    socks[fd] = (struct sock){.kind = kind};
    if (epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e)) die("epoll_ctl");
}

// drop closes a client, or a socket that is none yet.
static void drop(struct worker *w, int fd) {
    struct sock *s = &socks[fd];
    if (s->kind == CLIENT) {
        int last = w->fds[--w->n];
        w->fds[s->place] = last;
        socks[last].place = s->place;
    }
    if (s->kind == CALLER || s->kind == REFUSED) callers--;
    free(s->in);
    s->in = NULL;
    s->serial = 0;
    close(fd);
}

// post queues a push for a worker and wakes it.
static void post(struct worker *w, struct push *p) {
    uint64_t one = 1;
    pthread_mutex_lock(&w->mu);
    w->queue[w->tail++ % MAX_QUEUE] = p;
    pthread_mutex_unlock(&w->mu);
    if (write(w->bell, &one, sizeof one) < 0) die("eventfd");
}

static void answer(int fd, const char *status, const char *body) {
    char b[512];
    int n = snprintf(b, sizeof b, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(body), body);
    send(fd, b, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

// finish answers the caller of a push that every worker has sent. First worker only.
static void finish(struct push *p) {
    char body[128];
    snprintf(body, sizeof body, "{\"matched\":%ld,\"queued\":0,\"dropped\":%ld}", p->matched, p->lost);
    if (socks[p->caller].serial == p->serial) answer(p->caller, "200 OK", body);
    free(p);
}

// fan sends a push to each of a worker's clients, a system call each.
static void fan(struct worker *w, struct push *p) {
    long lost = 0;
    for (int i = 0; i < w->n; i++) {
        ssize_t n = send(w->fds[i], p->frame, p->len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n == p->len) continue;
        lost++;
        // Half a frame: nothing that this client gets now has a meaning.
        if (n > 0) shutdown(w->fds[i], SHUT_RDWR);
    }
    atomic_fetch_add(&p->matched, w->n);
    atomic_fetch_add(&p->lost, lost);
    if (atomic_fetch_sub(&p->workers, 1) > 1) return;
    if (w == &workers[0]) finish(p);
    else post(&workers[0], p);
}

// take_up sends what is queued, and answers what all have sent.
static void take_up(struct worker *w) {
    uint64_t rings;
    if (read(w->bell, &rings, sizeof rings) < 0) return;
    for (;;) {
        pthread_mutex_lock(&w->mu);
        struct push *p = w->head == w->tail ? NULL : w->queue[w->head++ % MAX_QUEUE];
        pthread_mutex_unlock(&w->mu);
        if (!p) return;
        if (atomic_load(&p->workers) == 0) finish(p);
        else fan(w, p);
    }
}

static void publish(int caller, const char *payload, int len) {
    struct push *p = malloc(sizeof *p + len + 10);
    if (!p) die("malloc");
    p->len = frame_text(p->frame, payload, len);
    p->workers = threads;
    p->matched = p->lost = 0;
    p->caller = caller;
    p->serial = socks[caller].serial;
    for (int i = 1; i < threads; i++) post(&workers[i], p);
    fan(&workers[0], p);
}

// request serves one request of a caller, if it is whole. Returns its length in bytes,
// 0 if more has to come, -1 if it is no request that the floor knows.
static int request(int fd, char *b, int len) {
    b[len] = 0;
    char *end = strstr(b, "\r\n\r\n"), *length = strcasestr(b, "\r\ncontent-length:");
    if (!end) return len < MAX_HEAD ? 0 : -1;
    int body = length && length < end ? atoi(length + 17) : 0, head = end + 4 - b;
    if (body < 0) return -1;
    if (body > MAX_BODY) {
        answer(fd, "413 Content Too Large", "{\"detail\":\"413: larger than 1 MiB\"}");
        // A close with bytes unread would reset the connection and take the answer away.
        shutdown(fd, SHUT_WR);
        socks[fd].kind = REFUSED;
        return 0;
    }
    if (len < head + body) return 0;
    if (!strncmp(b, "GET /readyz ", 12)) {
        answer(fd, "200 OK", "{}");
    } else if (!strncmp(b, "POST /v1/push/raw?all=1 ", 24)) {
        publish(fd, b + head, body);
    } else {
        answer(fd, "400 Bad Request", "{\"detail\":\"floor supports only all=1\"}");
    }
    return head + body;
}

static void read_caller(struct worker *w, int fd) {
    struct sock *s = &socks[fd];
    if (!s->in && !(s->in = malloc(MAX_HEAD + MAX_BODY + 1))) die("malloc");
    int n = recv(fd, s->in + s->len, MAX_HEAD + MAX_BODY - s->len, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    int used = n > 0 ? 0 : -1;
    for (s->len += n > 0 ? n : 0; n > 0 && s->len > 0; s->len -= used) {
        used = request(fd, s->in, s->len);
        if (used <= 0) break;
        memmove(s->in, s->in + used, s->len - used);
    }
    if (used < 0) drop(w, fd);
}

// shake answers a handshake once its head is whole, in one write with the init message.
static void shake(struct worker *w, int fd, const char *b, int n) {
    struct sock *s = &socks[fd];
    char out[512];
    if (s->len + n >= MAX_HEAD || !(s->in = realloc(s->in, s->len + n + 1))) return drop(w, fd);
    memcpy(s->in + s->len, b, n);
    s->in[s->len += n] = 0;
    if (!strstr(s->in, "\r\n\r\n")) return;
    int len = upgrade(out, s->in);
    if (len == 0 || send(fd, out, len, MSG_DONTWAIT | MSG_NOSIGNAL) != len) return drop(w, fd);
    free(s->in);
    if (w->n == w->room) {
        w->room = w->room ? 2 * w->room : 1024;
        if (!(w->fds = realloc(w->fds, w->room * sizeof *w->fds))) die("realloc");
    }
    *s = (struct sock){.kind = CLIENT, .place = w->n};
    w->fds[w->n++] = fd;
}

static void read_client(struct worker *w, int fd) {
    static __thread char b[64 << 10];
    int n = recv(fd, b, sizeof b, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) drop(w, fd);
    else if (socks[fd].kind == NEW) shake(w, fd, b, n);
}

static void accept_all(struct worker *w, int listener) {
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (socks[listener].kind == LISTENER) {
            watch(w, fd, NEW);
        } else if (callers == MAX_CALLERS) {
            close(fd);
        } else {
            callers++;
            watch(w, fd, CALLER);
            socks[fd].serial = ++serials;
        }
    }
    if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) die("accept");
}

// ping sends a ping to the clients whose turn has come since the last tick, so that all
// of them get one in ping_interval seconds.
static void ping(struct worker *w) {
    uint64_t ticks;
    struct timespec now;
    if (read(w->timer, &ticks, sizeof ticks) < 0) return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    double since = now.tv_sec - w->pinged.tv_sec + 1e-9 * (now.tv_nsec - w->pinged.tv_nsec);
    int due = w->n * since / ping_interval;
    if (due == 0) return;
    w->pinged = now;
    for (int i = 0; i < due && i < w->n; i++) {
        if (w->cursor >= w->n) w->cursor = 0;
        send(w->fds[w->cursor++], "\x89\x00", 2, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

static void *run(void *arg) {
    struct worker *w = arg;
    struct epoll_event events[256];
    for (;;) {
        int n = epoll_wait(w->epoll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            switch (socks[fd].kind) {
            case NEW:
            case REFUSED:
            case CLIENT: read_client(w, fd); break;
            case CALLER: read_caller(w, fd); break;
            case LISTENER:
            case CONTROL: accept_all(w, fd); break;
            case BELL: take_up(w); break;
            case TIMER: ping(w); break;
            }
        }
    }
    return NULL;
}

static void listen_on(struct worker *w, const char *address, enum kind kind) {
    char host[64];
    int port = 0, on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET};
    if (sscanf(address, "%63[^:]:%d", host, &port) != 2 || inet_pton(AF_INET, host, &at.sin_addr) != 1) {
        fprintf(stderr, "floor: \"%s\" is not an IPv4 host:port\n", address);
        exit(2);
    }
    at.sin_port = htons(port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // accepted sockets inherit it
    if (fd < 0 || bind(fd, (void *)&at, sizeof at) || listen(fd, BACKLOG)) die(address);
    watch(w, fd, kind);
}

static void start(struct worker *w, const char *listen) {
    pthread_mutex_init(&w->mu, NULL);
    if ((w->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0 || (w->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) < 0) die("epoll");
    watch(w, w->bell, BELL);
    listen_on(w, listen, LISTENER);
    if (!ping_interval) return;
    struct itimerspec every = {.it_interval.tv_nsec = PING_TICK_MS * 1000000, .it_value.tv_nsec = PING_TICK_MS * 1000000};
    if ((w->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) < 0 || timerfd_settime(w->timer, 0, &every, NULL)) die("timerfd");
    clock_gettime(CLOCK_MONOTONIC, &w->pinged);
    watch(w, w->timer, TIMER);
}

int main(int argc, char **argv) {
    const char *listen = "127.0.0.1:7272", *control = "127.0.0.1:7273";
    struct rlimit files;
    cpu_set_t cores;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 < argc && !strcmp(argv[i], "--listen")) listen = argv[i + 1];
        else if (i + 1 < argc && !strcmp(argv[i], "--control")) control = argv[i + 1];
        else if (i + 1 < argc && !strcmp(argv[i], "--ping-interval")) ping_interval = atoi(argv[i + 1]);
        else return fprintf(stderr, "usage: floor [--listen HOST:PORT] [--control HOST:PORT] [--ping-interval SECONDS]\n"), 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) || sched_getaffinity(0, sizeof cores, &cores)) die("limits");
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    max_fd = files.rlim_max > 1 << 22 ? 1 << 22 : files.rlim_max;
    threads = CPU_COUNT(&cores) < MAX_THREADS ? CPU_COUNT(&cores) : MAX_THREADS;
    if (!(socks = calloc(max_fd, sizeof *socks))) die("calloc");
    for (int i = 0; i < threads; i++) start(&workers[i], listen);
    listen_on(&workers[0], control, CONTROL);
    for (int i = 1; i < threads; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, run, &workers[i])) die("pthread_create");
    }
    run(&workers[0]);
}

// Handshake and frames of RFC 6455, as far as floor.c needs them.
#define _GNU_SOURCE
#include "floor.h"
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static uint32_t rotate(uint32_t x, int by) { return x << by | x >> (32 - by); }

// sha1_block takes 64 bytes into the state (RFC 3174, section 6.1).
static void sha1_block(uint32_t h[5], const uint8_t *b) {
    uint32_t w[80], v[5];
    for (int i = 0; i < 16; i++) w[i] = (uint32_t)b[4 * i] << 24 | b[4 * i + 1] << 16 | b[4 * i + 2] << 8 | b[4 * i + 3];
    for (int i = 16; i < 80; i++) w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 80; i++) {
        uint32_t f = i < 20 ? ((v[1] & v[2]) | (~v[1] & v[3])) + 0x5A827999
                   : i < 40 ? (v[1] ^ v[2] ^ v[3]) + 0x6ED9EBA1
                   : i < 60 ? ((v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3])) + 0x8F1BBCDC
                            : (v[1] ^ v[2] ^ v[3]) + 0xCA62C1D6;
        uint32_t t = rotate(v[0], 5) + f + v[4] + w[i];
        v[4] = v[3], v[3] = v[2], v[2] = rotate(v[1], 30), v[1] = v[0], v[0] = t;
    }
    for (int i = 0; i < 5; i++) h[i] += v[i];
}

// sha1 of up to 119 bytes.
static void sha1(const char *text, int len, uint8_t sum[20]) {
    uint32_t h[5] = {0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0};
    uint8_t b[128] = {0};
    int blocks = len < 56 ? 1 : 2;
    memcpy(b, text, len);
    b[len] = 0x80;
    b[64 * blocks - 2] = len * 8 >> 8;
    b[64 * blocks - 1] = len * 8;
    for (int i = 0; i < blocks; i++) sha1_block(h, b + 64 * i);
    for (int i = 0; i < 20; i++) sum[i] = h[i / 4] >> (24 - 8 * (i % 4));
}

// accept_of writes the 28 characters of Sec-WebSocket-Accept (section 4.2.2).
static void accept_of(char *out, const char *key) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[64];
    uint8_t sum[21] = {0};
    memcpy(text, key, 24);
    memcpy(text + 24, "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", 36);
    sha1(text, 60, sum);
    for (int i = 0; i < 28; i++) {
        int bit = 6 * i, two = sum[bit / 8] << 8 | (bit / 8 < 20 ? sum[bit / 8 + 1] : 0);
        out[i] = digits[two >> (10 - bit % 8) & 63];
    }
    out[27] = '=';
}

int frame_text(char *out, const char *payload, int len) {
    int head = 2;
    out[0] = (char)0x81;
    if (len < 126) {
        out[1] = len;
    } else if (len < 1 << 16) {
        out[1] = 126, out[2] = len >> 8, out[3] = len;
        head = 4;
    } else {
        out[1] = 127;
        for (int i = 0; i < 8; i++) out[2 + i] = (uint64_t)len >> (56 - 8 * i);
        head = 10;
    }
    memcpy(out + head, payload, len);
    return head + len;
}

int upgrade(char *out, const char *head) {
    const char *key = strcasestr(head, "\r\nsec-websocket-key:");
    if (!key) return 0;
    for (key += 20; *key == ' ';) key++;
    if (strcspn(key, "\r\n") != 24) return 0;
    int n = sprintf(out, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
    accept_of(out + n, key);
    n += 28;
    n += sprintf(out + n, "\r\n\r\n");
    char init[128];
    uint8_t id[16];
    if (getrandom(id, sizeof id, 0) != sizeof id) return 0;
    int len = sprintf(init, "{\"type\":\"init\",\"client_id\":\"");
    for (int i = 0; i < 16; i++) len += sprintf(init + len, "%02x", id[i]);
    len += sprintf(init + len, "\"}");
    return n + frame_text(out + n, init, len);
}

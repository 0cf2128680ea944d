// The bytes of a WebSocket that floor.c sends; websocket.c.
#include <stdatomic.h>
#include <stdint.h>

// frame_text writes a text frame (RFC 6455, section 5.2) to out, which has room for 10
// bytes more than the payload. Returns its length.
int frame_text(char *out, const char *payload, int len);

// upgrade writes the answer to a handshake's head, which ends with an empty line and a
// NUL, and an init message to out, which has room for 512 bytes. Returns its length, 0
// for no handshake.
int upgrade(char *out, const char *head);

package codec

import (
	"bytes"
	"strconv"
)

// ProbePath is where a load balancer may ask whether the server accepts
// clients.
const ProbePath = "/healthz"

// IsProbe reports whether a complete head that was refused as a handshake is
// such a request: GET or HEAD of ProbePath, alone or in a URI (RFC 9112 section
// 3.2.2 requires every server to accept that), with HTTP/1.1 or 1.0, without a
// body and without an Upgrade.
func IsProbe(head []byte) bool {
	line, _, _ := nextLine(head)
	_, target, _ := bytes.Cut(line, []byte{' '})
	if !bytes.HasPrefix(pathOf(target), []byte(ProbePath)) {
		return false // most heads are read no further
	}
	r, result := parseRequest(head)
	if result != HandshakeOK || r.upgrade || string(r.method) != "GET" && string(r.method) != "HEAD" {
		return false
	}
	path, _, _ := bytes.Cut(pathOf(r.target), []byte{'?'})
	return string(path) == ProbePath
}

// Answers to a probe, with their bodies.
var (
	probeReady = probeAnswer("200 OK", "ok\n")
	probeBusy  = probeAnswer("503 Service Unavailable", "not ready\n")
)

func probeAnswer(status, body string) string {
	return "HTTP/1.1 " + status + "\r\n" +
		"Connection: close\r\n" +
		"Cache-Control: no-store\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\n" +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" +
		body
}

// AppendProbeAnswer appends the answer to a probe (see [IsProbe]): 200 if
// ready, else 503; without a body for HEAD (RFC 9110 section 9.3.2). The caller
// closes the connection after it.
func AppendProbeAnswer(dst, head []byte, ready bool) []byte {
	answer := probeBusy
	if ready {
		answer = probeReady
	}
	if bytes.HasPrefix(head, []byte("HEAD ")) {
		end := HandshakeEnd([]byte(answer), 0)
		answer = answer[:end]
	}
	return append(dst, answer...)
}

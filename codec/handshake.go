package codec

import (
	"bytes"
	"strconv"
	"strings"
)

// Lengths of request heads in bytes, including the empty line at the end.
const (
	// MinHandshake is the smallest useful limit: browsers send about 500 bytes
	// and their cookies.
	MinHandshake = 1 << 10
	// DefaultHandshake has room for a token and the cookies of a single sign-on.
	DefaultHandshake = 32 << 10
	// MaxHandshake is the longest head that is ever accepted.
	MaxHandshake = 64 << 10
)

// headEnd is the end of the last header line and the empty line after it.
const headEnd = "\r\n\r\n"

// HandshakeEnd returns the index just past the empty line that ends the request
// head at the start of b, or -1 if it is incomplete. from is how many leading
// bytes of b earlier calls have already searched, so that a head in many pieces
// is searched once; 0 is always right. There is no limit here: that is up to
// the caller, who owns the buffer.
func HandshakeEnd(b []byte, from int) int {
	start := min(max(from-(len(headEnd)-1), 0), len(b))
	i := bytes.Index(b[start:], []byte(headEnd))
	if i < 0 {
		return -1
	}
	return start + i + len(headEnd)
}

// HandshakeBroken reports whether an incomplete request head can already be
// refused: a line ends in a bare line feed, or the request line is wrong.
// Whoever sends such a head may consider it complete and wait for an answer.
// Upgrader.Upgrade refuses it with the reason; a PROXY header also counts as
// broken. from is as for HandshakeEnd.
func HandshakeBroken(b []byte, from int) bool {
	for i := min(max(from, 0), len(b)); ; i++ {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return false
		}
		i += n
		if i == 0 || b[i-1] != '\r' {
			return true
		}
		if i == 1 || bytes.IndexByte(b[:i], '\n') >= 0 { // a PROXY header may follow \r\n
			continue
		}
		line, _, ok := nextLine(b)
		if !ok || new(request).parseLine(line) != HandshakeOK {
			return true
		}
	}
}

// HandshakeResult is the result of a handshake.
type HandshakeResult uint8

// The results of a handshake. The first six, and those from
// HandshakeRequestLine to HandshakeExtensions, come from [Upgrader.Upgrade];
// the caller finds the others and answers them with [AppendRefusal].
const (
	HandshakeOK            HandshakeResult = iota // 101
	HandshakeBadRequest                           // 400, not the beginning of a request
	HandshakeMethod                               // 405, not GET
	HandshakeVersion                              // 426, not version 13
	HandshakeOrigin                               // 403, Upgrader.CheckOrigin said no
	HandshakeTooLarge                             // 431, head over the limit; see AppendTooLarge
	HandshakeTimeout                              // 408, head not complete in time
	HandshakeBusy                                 // 503, no room
	HandshakeProxyHeader                          // 400, a PROXY header is malformed, missing or from an untrusted peer
	HandshakeForwarded                            // 400, X-Forwarded-For and Forwarded disagree
	HandshakeTooMany                              // 429, the address has too many connections
	HandshakeTooFast                              // 429, the address connects too often
	HandshakeCrowded                              // 503, no memory for more unfinished heads
	HandshakeRequestLine                          // 400, not method, target and version
	HandshakeTarget                               // 400, neither a path nor an http URI
	HandshakeHTTPVersion                          // 400, not HTTP/1.1
	HandshakeHeader                               // 400, a header line breaks the grammar
	HandshakeHost                                 // 400, Host is missing, malformed or repeated
	HandshakeBody                                 // 400, there is a body
	HandshakeRepeated                             // 400, a header that must be unique is repeated
	HandshakeNoUpgrade                            // 400, Upgrade does not have websocket
	HandshakeConnection                           // 400, Connection does not have Upgrade
	HandshakeNoKey                                // 400, no Sec-WebSocket-Key
	HandshakeBadKey                               // 400, a key that is not 16 bytes in base64, or several
	HandshakeExtensions                           // 400, Sec-WebSocket-Extensions breaks its grammar
	HandshakeNoToken                              // 401, no token and one is required
	HandshakeBadToken                             // 401, malformed, badly signed or several
	HandshakeTokenExpired                         // 401
	HandshakeTokenEarly                           // 401, not valid yet
	HandshakeTokenAudience                        // 401
	HandshakeTokenIssuer                          // 401
	HandshakeTokenClaims                          // 401, sub or groups are not valid names
	HandshakeTokenBusy                            // 503, too many tokens wait to be checked
	HandshakeStopping                             // 503, the gateway shuts down
	HandshakeNoWorker                             // 503, no worker to serve the client
	HandshakeHookRefused                          // the backend's own status; see AppendRefusalOf
	HandshakeHookFailed                           // 503, the backend that decides did not answer

	NumHandshakeResults = int(iota) // the number of results
)

// tryLater tells the client of a 429 or 503 how many seconds to wait (RFC 9110
// section 10.2.3).
const tryLater = "Retry-After: 5\r\n"

// badToken challenges a client whose token was refused (RFC 6750 section 3).
const badToken = `WWW-Authenticate: Bearer error="invalid_token"`

// handshakeTable holds label, status, reason phrase and text of each result,
// and the header lines that its status requires: Allow (RFC 9110 section
// 15.5.6), Upgrade (section 15.5.22) with the supported version (RFC 6455
// section 4.4). The body is the text followed by the label.
var handshakeTable = [NumHandshakeResults]struct {
	label  string
	status int
	phrase string
	body   string
	fields string
}{
	HandshakeOK:         {"ok", 101, "", "", ""},
	HandshakeBadRequest: {"bad_request", 400, "Bad Request", "not a WebSocket handshake\n", ""},
	HandshakeMethod:     {"method", 405, "Method Not Allowed", "the method must be GET\n", "Allow: GET\r\n"},
	HandshakeVersion: {"version", 426, "Upgrade Required", "WebSocket version 13 is required\n",
		"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"},
	HandshakeOrigin:   {"origin", 403, "Forbidden", "origin not allowed\n", ""},
	HandshakeTooLarge: {"too_large", 431, "Request Header Fields Too Large", "request head too large\n", ""},
	HandshakeTimeout:  {"timeout", 408, "Request Timeout", "handshake timed out\n", ""},
	HandshakeBusy: {"busy", 503, "Service Unavailable", "no room, try later\n",
		tryLater},
	HandshakeProxyHeader: {"proxy_header", 400, "Bad Request", "a PROXY header is missing, malformed, or not allowed from this address\n", ""},
	HandshakeForwarded:   {"forwarded", 400, "Bad Request", "X-Forwarded-For and Forwarded disagree\n", ""},
	HandshakeTooMany: {"address_conns", 429, "Too Many Requests", "too many connections from this address\n",
		tryLater},
	HandshakeTooFast: {"address_rate", 429, "Too Many Requests", "this address connects too often\n",
		tryLater},
	HandshakeCrowded: {"head_memory", 503, "Service Unavailable", "too many unfinished requests, try later\n",
		tryLater},
	HandshakeRequestLine: {"request_line", 400, "Bad Request", "the request line is malformed\n", ""},
	HandshakeTarget:      {"target", 400, "Bad Request", "the request target is malformed\n", ""},
	HandshakeHTTPVersion: {"http_version", 400, "Bad Request", "a WebSocket handshake needs HTTP/1.1\n", ""},
	HandshakeHeader:      {"header", 400, "Bad Request", "a header line is malformed\n", ""},
	HandshakeHost:        {"host", 400, "Bad Request", "Host is missing, malformed or repeated\n", ""},
	HandshakeBody:        {"body", 400, "Bad Request", "a WebSocket handshake has no body\n", ""},
	HandshakeRepeated:    {"repeated", 400, "Bad Request", "Sec-WebSocket-Version or Origin is repeated\n", ""},
	HandshakeNoUpgrade:   {"no_upgrade", 400, "Bad Request", "not a WebSocket handshake: Upgrade does not say websocket\n", ""},
	HandshakeConnection:  {"connection", 400, "Bad Request", "not a WebSocket handshake: Connection does not say Upgrade\n", ""},
	HandshakeNoKey:       {"no_key", 400, "Bad Request", "Sec-WebSocket-Key is missing\n", ""},
	HandshakeBadKey:      {"bad_key", 400, "Bad Request", "Sec-WebSocket-Key must be 16 bytes in base64, given once\n", ""},
	HandshakeExtensions:  {"extensions", 400, "Bad Request", "Sec-WebSocket-Extensions is malformed\n", ""},
	HandshakeNoToken: {"token_missing", 401, "Unauthorized", "a token is required\n",
		"WWW-Authenticate: Bearer\r\n"},
	HandshakeBadToken: {"token_invalid", 401, "Unauthorized", "the token is not valid\n",
		badToken + "\r\n"},
	HandshakeTokenExpired: {"token_expired", 401, "Unauthorized", "the token has expired\n",
		badToken + `, error_description="expired"` + "\r\n"},
	HandshakeTokenEarly: {"token_early", 401, "Unauthorized", "the token is not valid yet\n",
		badToken + `, error_description="not valid yet"` + "\r\n"},
	HandshakeTokenAudience: {"token_audience", 401, "Unauthorized", "the token is for another audience\n",
		badToken + `, error_description="wrong audience"` + "\r\n"},
	HandshakeTokenIssuer: {"token_issuer", 401, "Unauthorized", "the token is from another issuer\n",
		badToken + `, error_description="wrong issuer"` + "\r\n"},
	HandshakeTokenClaims: {"token_claims", 401, "Unauthorized", "the token's sub or groups are not valid names\n",
		badToken + `, error_description="sub or groups are not valid names"` + "\r\n"},
	HandshakeTokenBusy: {"token_busy", 503, "Service Unavailable", "too many tokens to check, try later\n",
		tryLater},
	HandshakeStopping: {"stopping", 503, "Service Unavailable", "the gateway is shutting down, connect again\n",
		"Retry-After: 1\r\n"},
	HandshakeNoWorker: {"no_worker", 503, "Service Unavailable", "no worker is attached, try later\n",
		tryLater},
	HandshakeHookRefused: {"hook_refused", 403, "Forbidden", "the application has refused the connection\n", ""},
	HandshakeHookFailed: {"hook_failed", 503, "Service Unavailable", "the application did not answer, try later\n",
		tryLater},
}

// String is the metric label of r.
func (r HandshakeResult) String() string {
	if int(r) >= NumHandshakeResults {
		return "unknown"
	}
	return handshakeTable[r].label
}

// Status is the HTTP status of r, 0 if there is no such result.
func (r HandshakeResult) Status() int {
	if int(r) >= NumHandshakeResults {
		return 0
	}
	return handshakeTable[r].status
}

// refusals are the complete answers, built once. That of HandshakeOK is empty.
var refusals = func() (answers [NumHandshakeResults]string) {
	for r, row := range handshakeTable {
		if HandshakeResult(r) == HandshakeOK {
			continue
		}
		answers[r] = refusal(row.status, row.phrase, row.fields, withLabel(row.body, row.label))
	}
	return answers
}()

// withLabel appends a stable code to a text that may be reworded.
func withLabel(text, label string) string {
	return strings.TrimSuffix(text, "\n") + " [" + label + "]\n"
}

func refusal(status int, phrase, fields, body string) string {
	return "HTTP/1.1 " + strconv.Itoa(status) + " " + phrase + "\r\n" +
		"Connection: close\r\n" +
		fields +
		"Content-Type: text/plain; charset=utf-8\r\n" +
		"Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" +
		body
}

// BeginsRequest reports whether a request, or a PROXY header, which is refused
// by name, may begin with a byte: a method is a token (RFC 9110 section 9.1).
// Peers that begin otherwise, such as TLS clients, wait in vain for an answer.
func BeginsRequest(first byte) bool { return tokenByte[first] || first == proxyV2[0] }

// tlsRecord is the first byte of a ClientHello's record (RFC 8446 section 5.1).
const tlsRecord = 22

var noTLS = refusal(400, "Bad Request", "", withLabel("this port does not speak TLS: use ws://, not wss://", "bad_request"))

// AppendNoRequest appends the answer of HandshakeBadRequest to a peer whose
// first byte BeginsRequest has rejected.
func AppendNoRequest(dst []byte, first byte) []byte {
	if first == tlsRecord {
		return append(dst, noTLS...)
	}
	return AppendRefusal(dst, HandshakeBadRequest)
}

// AppendRefusal appends the complete HTTP answer that refuses a handshake for
// r. The caller closes the connection after it. It appends nothing for
// HandshakeOK or an invalid r.
func AppendRefusal(dst []byte, r HandshakeResult) []byte {
	if int(r) >= NumHandshakeResults {
		return dst
	}
	return append(dst, refusals[r]...)
}

// AppendTooLarge is [AppendRefusal] of HandshakeTooLarge and names the limit in
// bytes.
func AppendTooLarge(dst []byte, limit int) []byte {
	row := &handshakeTable[HandshakeTooLarge]
	text := "the request head is larger than " + strconv.Itoa(limit) + " bytes"
	return append(dst, refusal(row.status, row.phrase, row.fields, withLabel(text, row.label))...)
}

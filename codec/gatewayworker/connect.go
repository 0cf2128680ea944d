package gatewayworker

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"
)

// ErrRequest says that a request head has no request line.
var ErrRequest = errors.New("not an HTTP request head")

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// AppendWebSocketConnect appends the body of ON_WEBSOCKET_CONNECT: a serialized
// array of get, server and cookie in the shape of workerman 5 (section 6.4).
// head is the request as the client sent it, through the empty line; the
// handshake has already checked it. peer is the client, port the one it
// connected to. The body goes out with flag 0.
func AppendWebSocketConnect(dst, head []byte, peer netip.AddrPort, port uint16) ([]byte, error) {
	line, rest, _ := strings.Cut(string(head), "\r\n")
	method, line, ok := strings.Cut(line, " ")
	uri, protocol, ok2 := strings.Cut(line, " ")
	if !ok || !ok2 || uri == "" {
		return dst, ErrRequest
	}
	headers := parseHeaders(rest)
	query, _, _ := strings.Cut(uri, "#")
	_, query, _ = strings.Cut(query, "?")

	var server phpArray
	server.setText("QUERY_STRING", query)
	server.setText("REQUEST_METHOD", method)
	server.setText("REQUEST_URI", uri)
	server.setText("SERVER_PROTOCOL", protocol)
	server.set("SERVER_NAME", headers.value("HTTP_HOST"))
	server.set("CONTENT_TYPE", headers.value("HTTP_CONTENT_TYPE"))
	server.setText("REMOTE_ADDR", remoteAddr(peer.Addr()))
	server.set("REMOTE_PORT", phpValue{text: itoa(int64(peer.Port())), kind: 'i'})
	server.set("SERVER_PORT", phpValue{text: itoa(int64(port)), kind: 'i'})
	for _, e := range headers.elements {
		server.set(e.key, e.value)
	}
	dst = AppendString(AppendArray(dst, 3), "get")
	dst = AppendString(AppendQuery(dst, query), "server")
	dst = AppendString(server.append(dst), "cookie")
	cookie, _ := headers.get("HTTP_COOKIE")
	return AppendEnd(AppendCookies(dst, cookie.text)), nil
}

// parseHeaders reads header lines under the names PHP gives them. Repeated ones
// are joined with a comma, once, after all are known: the work grows with the
// size of the head, not with the square of the number of repeats.
func parseHeaders(lines string) *phpArray {
	var headers phpArray
	repeated := map[string]*strings.Builder{}
	for lines != "" {
		var line string
		line, lines, _ = strings.Cut(lines, "\r\n")
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		key := headerKey(name)
		value = strings.Trim(value, " \t")
		before, known := headers.get(key)
		if !known {
			headers.setText(key, value)
			continue
		}
		all := repeated[key]
		if all == nil {
			all = new(strings.Builder)
			all.WriteString(before.text)
			repeated[key] = all
		}
		all.WriteByte(',')
		all.WriteString(value)
	}
	for key, all := range repeated {
		headers.setText(key, all.String())
	}
	return &headers
}

// headerKey is the name that PHP gives a header: HTTP_ and its letters in upper
// case, with _ for -. Other bytes are kept.
func headerKey(name string) string {
	key := make([]byte, 0, len("HTTP_")+len(name))
	key = append(key, "HTTP_"...)
	for i := range len(name) {
		switch c := name[i]; {
		case c == '-':
			key = append(key, '_')
		case 'a' <= c && c <= 'z':
			key = append(key, c-'a'+'A')
		default:
			key = append(key, c)
		}
	}
	return string(key)
}

// value appends the value of a header, or null.
func (a *phpArray) value(key string) phpValue {
	if v, ok := a.get(key); ok {
		return v
	}
	return phpValue{kind: 'N'}
}

// remoteAddr formats an address as PHP does: IPv6 in brackets.
func remoteAddr(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.WithZone("").String() + "]"
	}
	return a.String()
}

// AppendCookies appends the serialized array of a Cookie header. It is split at
// each ; and then at the first =. Names are trimmed, values are not. The last
// cookie of a name counts. A part without = is skipped.
func AppendCookies(dst []byte, header string) []byte {
	var cookies phpArray
	for part := range strings.SplitSeq(header, ";") {
		if name, value, ok := strings.Cut(part, "="); ok {
			cookies.setText(strings.Trim(name, " \t\n\r\x00\v"), value)
		}
	}
	return cookies.append(dst)
}

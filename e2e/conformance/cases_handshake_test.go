package conformance

import (
	"fmt"
	"strings"
)

// goodRequest is a correct request without its final empty line.
const goodRequest = requestLine + requestHost + requestRest

func without(line string) string        { return strings.Replace(goodRequest, line, "", 1) }
func instead(line, other string) string { return strings.Replace(goodRequest, line, other, 1) }

// refuse adds a request that must be answered with an HTTP error.
func (b *book) refuse(name, head string, status int) {
	b.add(testCase{name: name, head: head + "\r\n", refused: status})
}

// handshakeCases: chapter 14, the opening handshake.
func handshakeCases(b *book) {
	acceptedCases(b)
	refusedCases(b)
	headCases(b)
}

// acceptedCases are correct requests in all their forms.
func acceptedCases(b *book) {
	const good = goodRequest
	accept := func(name, head string) {
		b.add(testCase{name: name, head: head + "\r\n", send: once(text("in")), echo: echoOf(opText, "in")})
	}
	b.begin(14, 1, "RFC 6455 4.2.1")
	accept("the request of section 1.2", good)
	accept("names in capitals", strings.ToUpper(requestLine[:3])+requestLine[3:]+strings.Replace(strings.Replace(requestHost+requestRest, "Upgrade:", "UPGRADE:", 1), "Host:", "HOST:", 1))
	accept("names in small letters", instead("Sec-WebSocket-Key:", "sec-websocket-key:"))
	accept("Upgrade: WebSocket", instead("Upgrade: websocket", "Upgrade: WebSocket"))
	accept("Connection: upgrade", instead("Connection: Upgrade", "Connection: upgrade"))
	accept("Connection: keep-alive, Upgrade", instead("Connection: Upgrade", "Connection: keep-alive, Upgrade"))
	accept("Upgrade with a second protocol", instead("Upgrade: websocket", "Upgrade: websocket, foo"))
	accept("a query", instead("/conformance", "/a/b?c=d&e=%20"))
	accept("an absolute URI", instead("/conformance", "http://gateway.example/a"))
	accept("a port in Host", instead("gateway.example", "gateway.example:8080"))
	accept("IPv6 in Host", instead("gateway.example", "[::1]:8080"))
	accept("an origin", good+"Origin: https://page.example\r\n")
	accept("a subprotocol, which is not answered", good+"Sec-WebSocket-Protocol: chat, superchat\r\n")
	accept("unknown headers", good+"X-One: 1\r\nX-One: 2\r\nCookie: a=b; c=d\r\nAccept-Language: de\r\n")
	accept("no space after colons", strings.ReplaceAll(good, ": ", ":"))
	accept("much space after colons", strings.ReplaceAll(good, ": ", ": \t  "))
	accept("Content-Length: 0", good+"Content-Length: 0\r\n")
	accept("a head of 8,000 bytes", good+"X: "+strings.Repeat("x", 8000-len(good)-7)+"\r\n")
	for _, chop := range []int{1, 10, 100} {
		b.add(testCase{name: "a request written " + inPieces(chop), head: good + "\r\n", chop: chop, send: once(text("in")), echo: echoOf(opText, "in")})
	}
}

// refusedCases are requests for something else, or with something missing.
func refusedCases(b *book) {
	const good = goodRequest
	b.begin(14, 2, "RFC 6455 4.2.1")
	for _, method := range []string{"POST", "HEAD", "PUT", "OPTIONS", "DELETE"} {
		b.refuse("method "+method, instead("GET", method), 405)
	}
	for _, method := range []string{"get", "G@T"} {
		status := 405
		if method == "G@T" {
			status = 400
		}
		b.refuse("method "+method, instead("GET", method), status)
	}
	for _, version := range []string{"HTTP/1.0", "HTTP/2.0", "HTTP/1.2", "http/1.1", "HTTP/1", ""} {
		b.refuse(fmt.Sprintf("version %q", version), instead("HTTP/1.1", version), 400)
	}
	b.refuse("no Host", without(requestHost), 400)
	b.refuse("no Upgrade", without("Upgrade: websocket\r\n"), 400)
	b.refuse("no Connection", without("Connection: Upgrade\r\n"), 400)
	b.refuse("no key", without(requestKey), 400)
	b.refuse("another upgrade", instead("Upgrade: websocket", "Upgrade: h2c"), 400)
	b.refuse("Connection: close", instead("Connection: Upgrade", "Connection: close"), 400)

	b.begin(14, 3, "RFC 6455 4.2.1, 4.4")
	b.refuse("no version", without(requestVersion), 426)
	for _, v := range []string{"0", "8", "12", "14", "013", "13, 8", "x"} {
		b.refuse("version "+v, instead("Version: 13", "Version: "+v), 426)
	}
	b.begin(14, 4, "RFC 6455 4.2.1, 11.3.1")
	for _, key := range []string{"", "x3JJHMbDL1EzLkh9GBhXDw", "x3JJHMbDL1EzLkh9GBhXDw=", "x3JJHMbDL1EzLkh9GBhX", "x3JJHMbDL1EzLkh9GBhXDw==AAAA", "!3JJHMbDL1EzLkh9GBhXDw==", "x3JJHMbDL1Ez kh9GBhXDw==", "x3JJHMbDL1EzLkh9GBhXDwA=", strings.Repeat("A", 1000)} {
		b.refuse(fmt.Sprintf("key %.30q", key), instead("x3JJHMbDL1EzLkh9GBhXDw==", key), 400)
	}
	b.refuse("two keys", good+requestKey, 400)
	b.refuse("two versions", good+requestVersion, 400)
	b.refuse("two hosts", good+requestHost, 400)
	b.refuse("two origins", good+"Origin: https://a.example\r\nOrigin: https://b.example\r\n", 400)
}

// headCases are heads that two parsers could understand differently.
func headCases(b *book) {
	const good = goodRequest
	b.begin(14, 5, "RFC 9112 2.2, 3, 5, 6")
	b.refuse("lines that end in LF", strings.ReplaceAll(good, "\r\n", "\n")+"\n\r\n", 400)
	b.refuse("one line that ends in LF", instead("Upgrade: websocket\r\n", "Upgrade: websocket\n"), 400)
	b.refuse("a bare CR", instead("websocket", "web\rsocket"), 400)
	b.refuse("a NUL", instead("websocket", "web\x00socket"), 400)
	b.refuse("a space before a colon", instead("Upgrade:", "Upgrade :"), 400)
	b.refuse("a folded line", good+"X-Long: a\r\n b\r\n", 400)
	b.refuse("a line without a colon", good+"nonsense\r\n", 400)
	b.refuse("a header without a name", good+": x\r\n", 400)
	b.refuse("two spaces in the first line", instead("GET /", "GET  /"), 400)
	b.refuse("no target", instead("/conformance ", ""), 400)
	b.refuse("a target without a slash", instead("/conformance", "conformance"), 400)
	b.refuse("a fragment in the target", instead("/conformance", "/a#b"), 400)
	b.refuse("half an escape in the target", instead("/conformance", "/a%4"), 400)
	b.refuse("a body announced", good+"Content-Length: 5\r\n", 400)
	b.refuse("a body in chunks", good+"Transfer-Encoding: chunked\r\n", 400)
	b.refuse("an empty Host", instead("gateway.example", ""), 400)
	b.refuse("an invalid Host", instead("gateway.example", "a b"), 400)
	b.refuse("a head above 32 KiB", good+"X: "+strings.Repeat("x", 33000)+"\r\n", 431)
}

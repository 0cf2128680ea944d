package control

import "github.com/valyala/fasthttp"

// strangerBody is the largest request body, in bytes, that is read from a
// caller without a valid key: strangers must not fill memory.
const strangerBody = 4 << 10

// notRead is a header field that marks a request whose body is left unread. No
// caller can send it, because of its colon.
const notRead = "Not-Read:"

// chunked is fasthttp's length of a chunked body.
const chunked = -1

// requestConfig is fasthttp's HeaderReceived hook: before the body it decides
// whether the body is read and how large it may be, since fasthttp's own limit
// is fixed. An unread body ends the connection, and a caller that waits to be
// asked for it (Expect) is not asked.
func (s *Server) requestConfig(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	most := s.limits.Load().MaxBody
	n, asks := h.ContentLength(), len(h.Peek(fasthttp.HeaderExpect)) > 0
	if asks || n == chunked || n > min(most, strangerBody) {
		if _, err := s.access.Load().check(h, s.local); err != nil {
			h.Set(notRead, "1")
			h.SetContentLength(0)
			h.SetConnectionClose()
			h.Del(fasthttp.HeaderExpect)
		} else if asks && n > most {
			h.Del(fasthttp.HeaderExpect) // makes fasthttp refuse it
		}
	}
	return fasthttp.RequestConfig{MaxRequestBodySize: most}
}

// bodyNotRead reports whether requestConfig left the body unread.
func bodyNotRead(h *fasthttp.RequestHeader) bool {
	return h.ConnectionClose() && len(h.Peek(notRead)) > 0
}

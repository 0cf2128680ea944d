package control

import "github.com/valyala/fasthttp"

// strangerBody is the largest body that is read of who has shown no good key,
// in bytes: strangers must not fill the memory with theirs.
const strangerBody = 4 << 10

// notRead is a field that marks a request whose body is left unread. No caller
// can send it, for its colon.
const notRead = "Not-Read:"

// chunked is fasthttp's length of a body that comes in chunks.
const chunked = -1

// requestConfig is fasthttp's HeaderReceived hook: before the body it decides
// whether there will be one, and how large it may be, as fasthttp's own limit is
// fixed. A body that is not read ends the connection, and who waits to be asked
// for it (Expect) is not.
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
			h.Del(fasthttp.HeaderExpect) // then fasthttp refuses it
		}
	}
	return fasthttp.RequestConfig{MaxRequestBodySize: most}
}

// bodyNotRead tells whether requestConfig left the body where it is.
func bodyNotRead(h *fasthttp.RequestHeader) bool {
	return h.ConnectionClose() && len(h.Peek(notRead)) > 0
}

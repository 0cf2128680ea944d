package gateway

import (
	"encoding/json"
	"net/netip"
	"sync/atomic"
)

// ConnectHook is asked before a connection becomes a client.
type ConnectHook interface {
	// Ask has somebody decide about a request, and returns at once. done is called later,
	// once, on any goroutine. False: too many are asked about, and done is not called;
	// Busy is the decision. What q holds in slices lives until Ask returns.
	Ask(q *ConnectQuery, done func(ConnectVerdict)) bool
	// Busy decides where nobody can be asked.
	Busy() ConnectVerdict
}

// ConnectQuery is what a ConnectHook is asked.
type ConnectQuery struct {
	// Head is the head of the request as it came.
	Head   []byte
	Remote netip.AddrPort
	// UID and Groups are those that a token says; "" and nil without one.
	UID    string
	Groups []string
	// Gone becomes true when the connection has ended, so that nobody need decide; nil if
	// that is not told.
	Gone *atomic.Bool
}

// ConnectVerdict is what a ConnectHook has decided.
type ConnectVerdict struct {
	// Status is 0 for a client that is let in; or the status to refuse it with: that of
	// the hook's answer, or 503 if it gave none.
	Status int
	// Body and ContentType are of a refusal.
	Body        []byte
	ContentType string
	// UID and Groups are those of a client that is let in, in addition to what its
	// token says; UID in its place. All are names of at most MaxNameLen bytes.
	UID    string
	Groups []string
	// Session is the client's first session, a JSON object without white space of at
	// most MaxSessionLen bytes; nil for none.
	Session json.RawMessage
	// Headers are added to the 101: complete lines, each with its CRLF.
	Headers string
}

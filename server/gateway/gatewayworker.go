package gateway

import "context"

// GatewayWorker holds the verbs that only the front for GatewayWorker's PHP
// needs, beside those of Gateway. They are about the clients of this node alone:
// PHP talks to every gateway itself, so a cluster need not answer them. What is
// said of Gateway's methods holds for these as well.
type GatewayWorker interface {
	// Send sends a message to every target. Unlike Push it does not tell how many
	// there are, and it lets the event loops sleep until Wake, so that many sends
	// wake them once; those that are not asleep may begin. CodeBusy, CodeDeadline
	// and CodeInvalidUTF8 as with Push.
	Send(ctx context.Context, to Targets, m Message) error
	// BeginSeries prepares one message for several lists of targets, all without
	// the same clients. What m and the list lead to must stay as it is until the
	// last send of the series. CodeDeadline as with Push.
	BeginSeries(ctx context.Context, m Message, excludeClientIDs []string) (Series, error)
	// Wake has the event loops take up what Send has left for them.
	Wake()
	// Dismiss closes a client as Kick does, after a last message, which may be
	// empty and, if binary, any bytes; last.Raw has no meaning. It tells whether the
	// client was there.
	Dismiss(ctx context.Context, clientID string, last Message) (found bool, err error)
	// Abort ends a client's connection at once: what its socket does not take
	// right now is dropped, and no close frame is sent. It tells whether the client
	// was there.
	Abort(ctx context.Context, clientID string) (found bool, err error)

	// SessionBytes and PutSessionBytes read and replace the client's other
	// session: bytes of at most MaxSessionBytes that mean nothing to the
	// gateway ("" is none). It and the JSON session know nothing of each other.
	// SessionBytes of an unknown client returns online false and no error,
	// PutSessionBytes CodeUnknownClient. CodeSessionTooLarge.
	SessionBytes(ctx context.Context, clientID string) (session string, online bool, err error)
	PutSessionBytes(ctx context.Context, clientID string, session []byte) error

	// Members returns the ids of a uid's or a group's clients, in the order in
	// which they were bound or joined; binding again moves to the end. Those of
	// more than 128 come in the order in which they connected, and where there
	// were more than 128 once, in no particular one. Nobody is not an error.
	Members(ctx context.Context, q Members) ([]string, error)
	// Each calls do for every client, or those of q.UID or q.Group, until do
	// returns false: all in the order in which they connected, members in that
	// of Members. Clients that come or go meanwhile may be missed or, gone,
	// still be told of. do is called without any lock, on the caller's
	// goroutine, and may call the Gateway. An error says that do has not been
	// called for all of them: CodeDeadline or CodeStopping when ctx has ended.
	Each(ctx context.Context, q Each, do func(ClientState) bool) error
	// GroupNames returns the groups in use in the order in which they came into
	// being.
	GroupNames(ctx context.Context) ([]string, error)
}

// Limits of names and values of applications on GatewayWorker.
const (
	// MaxPeerNameLen is the longest uid or group in bytes where client ids are
	// those of GatewayWorker, whatever names it: its applications use whole tokens
	// as uids.
	MaxPeerNameLen = 1024
	// MaxSessionBytes is the largest session of PutSessionBytes.
	MaxSessionBytes = 8 << 20
)

// Message is one message of GatewayWorker's.
type Message struct {
	// Payload is the message. Text (Binary false) that is not UTF-8 is
	// CodeInvalidUTF8.
	Payload []byte
	Binary  bool
	// Raw makes the payload go to the sockets as it is, without the framing of
	// the clients' protocol: it must be whole frames of that. Binary has no
	// meaning then. It does not go before a handshake's answer.
	Raw bool
}

// Series is one message on its way to several lists of targets. It is encoded
// once, and the clients to leave out are looked up once. A series is for callers
// with more targets than one push should name. One goroutine at a time.
type Series interface {
	// Send sends to one list of targets: one copy for each time that it names a
	// client or a set that the client is in. CodeBusy and CodeDeadline as with Push.
	Send(ctx context.Context, to Targets) error
}

// Members is the argument of GatewayWorker.Members: one of the two.
type Members struct{ UID, Group string }

// Each is the argument of GatewayWorker.Each.
type Each struct {
	// UID or Group narrows to its clients, ClientID to the one; all empty means
	// all.
	UID, Group, ClientID string
	// Groups asks for ClientState.Groups.
	Groups bool
}

// ClientState is what GatewayWorker.Each tells of a client.
type ClientState struct {
	ClientID string
	// UID is "" for a client nobody has bound.
	UID string
	// Groups are those it is in, in the order it joined them. With Each.Groups
	// it is nil if it never was in one, and empty if it has left all.
	Groups []string
	// Session is what PutSessionBytes stored, "" for none.
	Session string
}

package gateway

import "context"

// GatewayWorker holds the verbs that only the front for GatewayWorker's PHP
// needs, in addition to those of Gateway. They concern the clients of this node
// alone: PHP talks to every gateway itself, so a cluster need not answer them.
// The general rules of Gateway's methods apply to these as well.
type GatewayWorker interface {
	// Send sends a message to every target. Unlike Push it does not count the
	// targets, and it does not wake sleeping event loops until Wake is called,
	// so that many sends cost one wake-up; loops that are awake may begin
	// earlier. CodeBusy, CodeDeadline and CodeInvalidUTF8 as with Push.
	Send(ctx context.Context, to Targets, m Message) error
	// BeginSeries prepares one message for several lists of targets, all
	// without the same clients. m's slices and the list must not change until
	// the last send of the series. CodeDeadline as with Push.
	BeginSeries(ctx context.Context, m Message, excludeClientIDs []string) (Series, error)
	// Wake makes the event loops take up what Send has queued for them.
	Wake()
	// Dismiss closes a client as Kick does, after a last message, which may be
	// empty and, if binary, any bytes; last.Raw is ignored. found says whether
	// the client was connected.
	Dismiss(ctx context.Context, clientID string, last Message) (found bool, err error)
	// Abort ends a client's connection at once: what its socket does not accept
	// right now is dropped, and no close frame is sent. found says whether the
	// client was connected.
	Abort(ctx context.Context, clientID string) (found bool, err error)

	// SessionBytes and PutSessionBytes read and replace the client's opaque
	// session: at most MaxSessionBytes that the gateway does not interpret (""
	// is none). It is independent of the JSON session. For an unknown client
	// SessionBytes returns online false and no error, PutSessionBytes returns
	// CodeUnknownClient. CodeSessionTooLarge.
	SessionBytes(ctx context.Context, clientID string) (session string, online bool, err error)
	PutSessionBytes(ctx context.Context, clientID string, session []byte) error

	// Members returns the ids of the clients of a uid or a group, in the order
	// in which they were bound or joined; binding again moves a client to the
	// end. More than 128 members come in the order in which they connected; a
	// set that once had more than 128 comes in no particular order. An empty
	// set is not an error.
	Members(ctx context.Context, q Members) ([]string, error)
	// Each calls do for every client, or those of q.UID or q.Group, until do
	// returns false: all clients in the order in which they connected, members
	// in that of Members. Clients that connect meanwhile may be missed; those
	// that disconnect may still be reported. do is called without any lock, on
	// the caller's goroutine, and may call the Gateway. An error says that do
	// was not called for all of them: CodeDeadline or CodeStopping when ctx has
	// ended.
	Each(ctx context.Context, q Each, do func(ClientState) bool) error
	// GroupNames returns the groups in use in the order of their creation.
	GroupNames(ctx context.Context) ([]string, error)
}

// Limits of names and values in applications on GatewayWorker.
const (
	// MaxPeerNameLen is the longest uid or group in bytes where client ids are
	// those of GatewayWorker, whichever front names it: its applications use
	// whole tokens as uids.
	MaxPeerNameLen = 1024
	// MaxSessionBytes is the largest session of PutSessionBytes.
	MaxSessionBytes = 8 << 20
)

// Message is the message of a Send.
type Message struct {
	// Payload is the message. Text (Binary false) that is not UTF-8 is
	// CodeInvalidUTF8.
	Payload []byte
	Binary  bool
	// Raw writes the payload to the sockets as it is, without the framing of
	// the clients' protocol: it must consist of whole frames. Binary is ignored
	// then. It is not sent before the handshake response.
	Raw bool
}

// Series is one message on its way to several lists of targets. It is encoded
// once, and the clients to leave out are looked up once. A series is for
// callers with more targets than one push should name. It must be used by one
// goroutine at a time.
type Series interface {
	// Send sends to one list of targets: one copy each time the list names a
	// client or a set that contains it. CodeBusy and CodeDeadline as with Push.
	Send(ctx context.Context, to Targets) error
}

// Members is the argument of GatewayWorker.Members. Exactly one of the two is
// set.
type Members struct{ UID, Group string }

// Each is the argument of GatewayWorker.Each.
type Each struct {
	// UID or Group selects its clients, ClientID one client; all empty selects
	// every client.
	UID, Group, ClientID string
	// Groups asks for ClientState.Groups.
	Groups bool
}

// ClientState is what GatewayWorker.Each reports of a client.
type ClientState struct {
	ClientID string
	// UID is "" for a client that is not bound.
	UID string
	// Groups lists its groups in the order in which it joined them. With
	// Each.Groups it is nil if the client was never in one, and empty if it has
	// left all.
	Groups []string
	// Session is what PutSessionBytes last stored, "" for none.
	Session string
}

package gateway

import (
	"context"
	"encoding/json"
	"time"
)

// Gateway is the border between the fronts (the HTTP control port, the
// GatewayWorker endpoint) and the server: one method per verb, values in,
// values out. No method returns a pointer to a connection, so that a cluster
// can implement the same interface and answer every verb for a client that
// lives on another node.
//
// All methods may be called concurrently from any goroutine. Strings and byte
// slices in arguments need to live only until the method returns: what the
// gateway keeps, it copies. Strings and slices in results belong to the caller.
//
// Every error is an *Error, whose Code is stable, or, from a node of a cluster,
// an *Incomplete beside a result. Names (uids and groups) are any 1 to MaxNameLen bytes, not necessarily UTF-8, or else CodeInvalidName; where
// client ids are those of GatewayWorker, 1 to MaxPeerNameLen. Once a method
// that changes state has returned, every later push sees the change.
type Gateway interface {
	// Bind makes the client one of uid's connections, replacing the uid it had,
	// and joins it to the groups. Unknown clients: CodeUnknownClient.
	Bind(ctx context.Context, b Bind) (BindResult, error)
	// Unbind removes the client's uid; its groups stay. Unknown clients:
	// CodeUnknownClient.
	Unbind(ctx context.Context, clientID string) (BindResult, error)
	// UnbindUIDs removes the uids from all clients that have them now and
	// returns how many clients that were. With CodeDeadline, part of it was
	// done.
	UnbindUIDs(ctx context.Context, uids []string) (unbound int, err error)
	// Join adds the clients, and every current connection of the uids, to the
	// groups. Unknown client ids are no error: each is reported once. With
	// CodeDeadline, as with Leave and Ungroup, part of it was done.
	Join(ctx context.Context, m Membership) (MembershipResult, error)
	// Leave is the reverse of Join.
	Leave(ctx context.Context, m Membership) (MembershipResult, error)
	// Ungroup empties the groups and returns the number of memberships that
	// ended.
	Ungroup(ctx context.Context, groups []string) (changed int, err error)
	// Push sends one message to every target, one copy per client however many
	// targets match it. Nothing is sent when it returns CodeBusy (the event
	// loops have no room for it) or CodeDeadline (finding the targets took too
	// long).
	Push(ctx context.Context, p Push) (PushResult, error)
	// Kick closes clients. They have left every table when it returns; the
	// text, if any, and a close frame are written after everything already
	// queued. CodeDeadline as with Push.
	Kick(ctx context.Context, k Kick) (kicked int, err error)

	// Online returns which clients are connected and how many connections uids
	// have.
	Online(ctx context.Context, q Online) (OnlineResult, error)
	// Counts returns how many clients groups and uids have.
	Counts(ctx context.Context, q Counts) (CountsResult, error)
	// Stats returns the gateway's counters. O(loops), not O(clients).
	Stats(ctx context.Context) (Stats, error)
	// Client returns what is known of one client, or CodeUnknownClient.
	Client(ctx context.Context, clientID string) (ClientInfo, error)
	// Clients lists clients, optionally only those of q.UID or q.Group, one
	// page per call.
	Clients(ctx context.Context, q List) (Page[ClientInfo], error)
	// UIDs lists uids in use, optionally only those in q.Group.
	UIDs(ctx context.Context, q List) (Page[NameCount], error)
	// Groups lists groups in use, optionally only those of q.UID's connections.
	Groups(ctx context.Context, q List) (Page[NameCount], error)

	// PutSession replaces the client's session with a JSON object of at most
	// MaxSessionLen bytes; PatchSession merges one of at most MaxPatchLen into
	// it (RFC 7396). Both return the resulting session. CodeUnknownClient,
	// CodeInvalidSession, CodeSessionTooLarge.
	PutSession(ctx context.Context, clientID string, session json.RawMessage) (json.RawMessage, error)
	PatchSession(ctx context.Context, clientID string, patch json.RawMessage) (json.RawMessage, error)
}

// Limits of names and values at the Gateway border.
const (
	// MaxNameLen is the longest uid or group in bytes.
	MaxNameLen = 128
	// MaxSessionLen is the largest session in bytes of JSON.
	MaxSessionLen = 4 << 10
	// MaxPatchLen is the largest patch of a session in bytes of JSON.
	MaxPatchLen = 64 << 10
	// MaxPageLen is the largest number of rows in one page of a listing.
	MaxPageLen = 10_000
	// MaxGroupsPerClient is the largest number of groups one client may be in.
	MaxGroupsPerClient = 16384
)

// Bind is the argument of Gateway.Bind.
type Bind struct {
	ClientID string
	UID      string
	Groups   []string
	// KickOld closes the uid's other connections with 4001 "replaced".
	KickOld bool
}

// BindResult is the result of Bind and Unbind.
type BindResult struct {
	// PreviousUID is the uid the client had before; "" if it had none.
	PreviousUID string
	// Kicked is the number of connections closed by Bind.KickOld.
	Kicked int
}

// Membership is the argument of Join and Leave.
type Membership struct {
	ClientIDs []string
	UIDs      []string
	Groups    []string
}

// MembershipResult is the result of Join and Leave.
type MembershipResult struct {
	// Changed is the number of memberships (client × group) added or removed.
	Changed int
	// UnknownClientIDs are those of ClientIDs that are not connected.
	UnknownClientIDs []string
}

// Targets names receivers. A client named in several ways counts once; empty
// lists name nobody.
type Targets struct {
	ClientIDs []string
	UIDs      []string
	Groups    []string
	All       bool
}

// Push is the argument of Gateway.Push.
type Push struct {
	To Targets
	// ExcludeClientIDs and ExcludeUIDs are removed from To.
	ExcludeClientIDs []string
	ExcludeUIDs      []string
	// Payload is the message, copied into a frame before Push returns.
	// A text message (Binary false) that is not UTF-8 is CodeInvalidUTF8.
	Payload []byte
	Binary  bool
	// Wait makes Push return only when each delivery has ended, written or
	// dropped, or when ctx is done; what is still waiting then is Queued.
	Wait bool
	// OnMatched, if not nil, is called before the wait with the number of clients
	// matched, on the goroutine that called Push. It must not block.
	OnMatched func(matched int)
}

// PushResult is the result of Push. Matched = Written + Queued + Dropped.
type PushResult struct {
	Matched int
	// Queued is the number of deliveries that have not ended. Without Push.Wait
	// no outcome is known when Push returns: Queued equals Matched.
	Queued  int
	Dropped int
	// Written is the number of frames that the kernel has taken completely.
	Written int
}

// Kick is the argument of Gateway.Kick.
type Kick struct {
	To Targets
	// ExcludeClientIDs and ExcludeUIDs are removed from To.
	ExcludeClientIDs, ExcludeUIDs []string
	// Code is the close code: 1000 or 3000 to 4999; 0 means 1000.
	// Others are CodeInvalidCloseCode.
	Code uint16
	// Reason goes into the close frame: UTF-8, at most 123 bytes.
	Reason string
	// Text, if not empty, is sent as a text message before the close.
	Text string
}

// Online is the argument of Gateway.Online.
type Online struct{ ClientIDs, UIDs []string }

// OnlineResult is the result of Gateway.Online, in the order of the argument.
type OnlineResult struct {
	// Clients[i] says whether Online.ClientIDs[i] is connected.
	Clients []bool
	// UIDs[i] is the number of connections of Online.UIDs[i].
	UIDs []int
}

// Counts is the argument of Gateway.Counts.
type Counts struct{ Groups, UIDs []string }

// CountsResult is the result of Gateway.Counts, in the order of the argument.
type CountsResult struct{ Groups, UIDs []int }

// List narrows and pages a listing.
type List struct {
	UID, Group string
	// Limit is the number of rows wanted, 1 to MaxPageLen; 0 means 100. A page
	// of clients has fewer rows once it reaches megabytes; Page.Next says
	// whether there are more.
	Limit int
	// Cursor is Page.Next of the previous page, "" for the first. Any other
	// value is CodeInvalidCursor.
	Cursor string
}

// Page is one page of a listing. A client that is connected from the first page
// to the last is listed once; one that comes or goes meanwhile may be missed.
type Page[T any] struct {
	Rows []T
	// Next is the cursor of the next page, "" when this was the last.
	Next string
}

// NameCount is a uid or group and its number of clients.
type NameCount struct {
	Name    string
	Clients int
}

// ClientInfo is what the gateway knows of a client.
type ClientInfo struct {
	ClientID string
	// UID is "" for a client that is not bound.
	UID         string
	Groups      []string
	Session     json.RawMessage // nil if none was set
	RemoteAddr  string          // host:port, as a trusted proxy reports it; port 0 if unknown
	ConnectedAt time.Time
	// QueuedBytes and QueuedFrames wait for the client's socket. Only Client
	// sets them; Clients leaves them 0.
	QueuedBytes, QueuedFrames int
	// Silent is for how long nothing has come from the client, to a quarter of a second;
	// if Pinged, how long ago it was asked for a sign of life. Only Client sets them, for
	// clients of the node asked.
	Silent time.Duration
	Pinged bool
}

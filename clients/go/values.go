// Code generated from the OpenAPI document by make clients. DO NOT EDIT.

package castgate

import (
	"encoding/json"
	"time"
)

// Codes of problems, in Error.Code.
const (
	CodeBadRequest           = "bad_request"
	CodeBodyTooLarge         = "body_too_large"
	CodeBrowser              = "browser"
	CodeBusy                 = "busy"
	CodeDeadline             = "deadline"
	CodeDuplicateField       = "duplicate_field"
	CodeEventGone            = "event_gone"
	CodeForbidden            = "forbidden"
	CodeHeaderTooLarge       = "header_too_large"
	CodeHTTPVersion          = "http_version"
	CodeInternal             = "internal"
	CodeInvalidBase64        = "invalid_base64"
	CodeInvalidCloseCode     = "invalid_close_code"
	CodeInvalidCursor        = "invalid_cursor"
	CodeInvalidJSON          = "invalid_json"
	CodeInvalidLimit         = "invalid_limit"
	CodeInvalidName          = "invalid_name"
	CodeInvalidParameter     = "invalid_parameter"
	CodeInvalidReason        = "invalid_reason"
	CodeInvalidSession       = "invalid_session"
	CodeInvalidUtf8          = "invalid_utf8"
	CodeInvalidValue         = "invalid_value"
	CodeLengthRequired       = "length_required"
	CodeMessageTooLarge      = "message_too_large"
	CodeMissingField         = "missing_field"
	CodeNoPayload            = "no_payload"
	CodeNoTarget             = "no_target"
	CodeNodeUnreachable      = "node_unreachable"
	CodeNotFound             = "not_found"
	CodeNotReady             = "not_ready"
	CodeReloadRefused        = "reload_refused"
	CodeSessionTooLarge      = "session_too_large"
	CodeSeveralPayloads      = "several_payloads"
	CodeStopping             = "stopping"
	CodeTimeout              = "timeout"
	CodeTooDeep              = "too_deep"
	CodeTooMany              = "too_many"
	CodeTooManyConnections   = "too_many_connections"
	CodeTooManyGroups        = "too_many_groups"
	CodeUnauthorized         = "unauthorized"
	CodeUnknownClient        = "unknown_client"
	CodeUnknownField         = "unknown_field"
	CodeUnknownParameter     = "unknown_parameter"
	CodeUnsupportedMediaType = "unsupported_media_type"
	CodeWrongType            = "wrong_type"
)

// Targets is a value of the control API. Receivers: at least one of the lists, or all. A client named in several ways counts once; empty lists name nobody.
type Targets struct {
	// Every client.
	All bool `json:"all,omitzero"`
	// Clients by their ids. Unknown ones match nobody.
	ClientIDs []string `json:"client_ids,omitzero"`
	// All clients of these groups.
	Groups []string `json:"groups,omitzero"`
	// All present connections of these uids.
	UIDs []string `json:"uids,omitzero"`
}

// Exclude is a value of the control API. Excluded from to.
type Exclude struct {
	// Not to these clients.
	ClientIDs []string `json:"client_ids,omitzero"`
	// Not to these uids.
	UIDs []string `json:"uids,omitzero"`
}

// BindAnswer is a value of the control API.
type BindAnswer struct {
	// Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
	Complete *bool `json:"complete,omitzero"`
	// Connections closed by exclusive.
	Kicked int64 `json:"kicked"`
	// The uid the client had before.
	PreviousUID *string `json:"previous_uid"`
	// With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
	Unreachable []int64 `json:"unreachable,omitzero"`
}

// UnbindAnswer is a value of the control API.
type UnbindAnswer struct {
	// Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
	Complete *bool `json:"complete,omitzero"`
	// The uid that client_id had; null where uids are given.
	PreviousUID *string `json:"previous_uid"`
	// Clients that lost their uid.
	Unbound int64 `json:"unbound"`
	// With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
	Unreachable []int64 `json:"unreachable,omitzero"`
}

// MembershipAnswer is a value of the control API.
type MembershipAnswer struct {
	// Memberships (client × group) added or removed.
	Changed int64 `json:"changed"`
	// Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
	Complete         *bool    `json:"complete,omitzero"`
	UnknownClientIDs []string `json:"unknown_client_ids"`
	// With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
	Unreachable []int64 `json:"unreachable,omitzero"`
}

// UngroupAnswer is a value of the control API.
type UngroupAnswer struct {
	// Memberships that ended.
	Changed int64 `json:"changed"`
	// Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
	Complete *bool `json:"complete,omitzero"`
	// With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
	Unreachable []int64 `json:"unreachable,omitzero"`
}

// PushAnswer is a value of the control API.
type PushAnswer struct {
	// Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
	Complete *bool `json:"complete,omitzero"`
	// Deliveries that ended without being written.
	Dropped int64 `json:"dropped"`
	// Clients the push is for.
	Matched int64 `json:"matched"`
	// Deliveries not ended yet; without wait all of them.
	Queued int64 `json:"queued"`
	// With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
	Unreachable []int64 `json:"unreachable,omitzero"`
	// With wait: frames handed to the kernel whole.
	Written int64 `json:"written,omitzero"`
}

// KickAnswer is a value of the control API.
type KickAnswer struct {
	// Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
	Complete *bool `json:"complete,omitzero"`
	// Clients closed.
	Kicked int64 `json:"kicked"`
	// With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
	Unreachable []int64 `json:"unreachable,omitzero"`
}

// OnlineAnswer is a value of the control API.
type OnlineAnswer struct {
	ClientIDs map[string]bool `json:"client_ids"`
	// Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
	Complete *bool `json:"complete,omitzero"`
	// Connections by uid.
	UIDs map[string]int64 `json:"uids"`
	// With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
	Unreachable []int64 `json:"unreachable,omitzero"`
}

// CountsAnswer is a value of the control API.
type CountsAnswer struct {
	// Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
	Complete *bool            `json:"complete,omitzero"`
	Groups   map[string]int64 `json:"groups"`
	UIDs     map[string]int64 `json:"uids"`
	// With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
	Unreachable []int64 `json:"unreachable,omitzero"`
}

// ReloadAnswer is a value of the control API.
type ReloadAnswer struct {
	// Settings whose value, or whose file's content, changed.
	Changed []string `json:"changed"`
	// Settings whose new value is ignored until a restart.
	NeedsRestart []string `json:"needs_restart"`
}

// ClientRow is a value of the control API.
type ClientRow struct {
	ClientID    string    `json:"client_id"`
	ConnectedAt time.Time `json:"connected_at"`
	Groups      []string  `json:"groups"`
	// host:port; behind a trusted proxy, what the proxy reports, with port 0 if it reports none
	RemoteAddr string `json:"remote_addr"`
	// null if none was set.
	Session json.RawMessage `json:"session"`
	UID     *string         `json:"uid"`
}

// ClientDetails is a value of the control API.
type ClientDetails struct {
	ClientID    string    `json:"client_id"`
	ConnectedAt time.Time `json:"connected_at"`
	Groups      []string  `json:"groups"`
	// Bytes queued for the client's socket.
	QueuedBytes int64 `json:"queued_bytes"`
	// Frames queued for it.
	QueuedFrames int64 `json:"queued_frames"`
	// host:port; behind a trusted proxy, what the proxy reports, with port 0 if it reports none
	RemoteAddr string `json:"remote_addr"`
	// null if none was set.
	Session json.RawMessage `json:"session"`
	UID     *string         `json:"uid"`
}

// UIDRow is a value of the control API.
type UIDRow struct {
	Clients int64  `json:"clients"`
	UID     string `json:"uid"`
}

// GroupRow is a value of the control API.
type GroupRow struct {
	Clients int64  `json:"clients"`
	Group   string `json:"group"`
}

// ClientPage is a value of the control API.
type ClientPage struct {
	Clients []ClientRow `json:"clients"`
	// Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
	Complete *bool `json:"complete,omitzero"`
	// The cursor parameter of the next page, null after the last.
	NextCursor *string `json:"next_cursor"`
	// With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
	Unreachable []int64 `json:"unreachable,omitzero"`
}

// UIDPage is a value of the control API.
type UIDPage struct {
	// Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
	Complete *bool `json:"complete,omitzero"`
	// The cursor parameter of the next page, null after the last.
	NextCursor *string  `json:"next_cursor"`
	UIDs       []UIDRow `json:"uids"`
	// With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
	Unreachable []int64 `json:"unreachable,omitzero"`
}

// GroupPage is a value of the control API.
type GroupPage struct {
	// Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
	Complete *bool      `json:"complete,omitzero"`
	Groups   []GroupRow `json:"groups"`
	// The cursor parameter of the next page, null after the last.
	NextCursor *string `json:"next_cursor"`
	// With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
	Unreachable []int64 `json:"unreachable,omitzero"`
}

// Stats is a value of the control API.
type Stats struct {
	// Errors of accept on client listeners; each is retried.
	AcceptErrors int64 `json:"accept_errors"`
	// Client sockets accepted.
	Accepted int64 `json:"accepted"`
	// Times an acceptor paused because of handshake-rate.
	AcceptsDelayed int64 `json:"accepts_delayed"`
	// Client addresses tracked for connection limits or connect rates.
	Addresses int64 `json:"addresses"`
	// Bytes read from client sockets.
	BytesReceived int64 `json:"bytes_received"`
	// Bytes written to client sockets.
	BytesSent int64 `json:"bytes_sent"`
	// Client connections closed, by reason.
	Closes map[string]int64 `json:"closes"`
	// Only from a node of a cluster: whether every node has answered. If not, the counts are those of the nodes that have.
	Complete *bool `json:"complete,omitzero"`
	// permessage-deflate (RFC 7692); all zero unless it is enabled.
	Compression struct {
		// Clients that negotiated it.
		Clients int64 `json:"clients"`
		// Compressed messages that were refused, by reason.
		Errors map[string]int64 `json:"errors"`
		// Compressed messages from clients.
		MessagesReceived int64 `json:"messages_received"`
		// Bytes of their frames.
		PushBytesAfter int64 `json:"push_bytes_after"`
		// Bytes of payload of the compressed pushes.
		PushBytesBefore int64 `json:"push_bytes_before"`
		// Pushes compressed.
		Pushes int64 `json:"pushes"`
		// Pushes sent uncompressed because compression did not make them shorter.
		PushesNotShorter int64 `json:"pushes_not_shorter"`
		// Bytes they inflated to.
		ReceivedBytesAfter int64 `json:"received_bytes_after"`
		// Compressed bytes from clients.
		ReceivedBytesBefore int64 `json:"received_bytes_before"`
	} `json:"compression"`
	// Clients whose handshake has finished.
	Connections int64 `json:"connections"`
	// Deliveries dropped by reason.
	Dropped map[string]int64 `json:"dropped"`
	// Groups in use.
	Groups int64 `json:"groups"`
	// Handshakes by result.
	Handshakes map[string]int64 `json:"handshakes"`
	// How late the slowest event loop was for its last tick.
	LoopLagSeconds float64 `json:"loop_lag_seconds"`
	// Event loops.
	Loops int64 `json:"loops"`
	// Deliveries asked for; matched = written + dropped + queued.
	Matched int64 `json:"matched"`
	// Maximum number of open client sockets.
	MaxConns int64 `json:"max_conns"`
	// Messages received from clients.
	MessagesReceived int64 `json:"messages_received"`
	// This gateway's number in a cluster.
	Node int64 `json:"node"`
	// Panics recovered.
	Panics int64 `json:"panics"`
	// Pings sent to silent clients.
	PingsSent int64 `json:"pings_sent"`
	// Pushes accepted.
	Pushes int64 `json:"pushes"`
	// Pushes answered 503.
	PushesRefused int64 `json:"pushes_refused"`
	// Accepted pushes that matched no client.
	PushesUnmatched int64 `json:"pushes_unmatched"`
	// Deliveries that are neither written nor dropped yet.
	Queued int64 `json:"queued"`
	// Bytes queued for client sockets.
	QueuedBytes int64 `json:"queued_bytes"`
	// Open client sockets, whatever their phase.
	Sockets   int64     `json:"sockets"`
	StartedAt time.Time `json:"started_at"`
	// Uids in use.
	UIDs int64 `json:"uids"`
	// With complete false: the numbers of the nodes that are missing. Empty if the node asked has not met the others yet.
	Unreachable []int64 `json:"unreachable,omitzero"`
	// System calls that wrote to client sockets.
	Writes int64 `json:"writes"`
	// Deliveries written.
	Written int64 `json:"written"`
}

// NodeList is a value of the control API.
type NodeList struct {
	Nodes []Node `json:"nodes"`
}

// Node is a value of the control API.
type Node struct {
	// Its control API.
	Address string `json:"address"`
	// Since it was last heard.
	AgeSeconds float64 `json:"age_seconds"`
	Clients    int64   `json:"clients"`
	// By how much its wall clock is ahead.
	ClockDifferenceSeconds float64 `json:"clock_difference_seconds"`
	// Of the process: another start has another.
	Instance string `json:"instance"`
	// Shortest time that a message and its answer took.
	LagSeconds float64 `json:"lag_seconds"`
	// For how long it still counts the node asked as alive; of that node itself, the shortest.
	LeaseSeconds float64 `json:"lease_seconds"`
	Node         int64   `json:"node"`
	// suspect: a member that was not heard for half a lease; foreign: it belongs to a cluster of its own; version: it speaks another version of the protocol.
	State   string `json:"state"`
	Version string `json:"version"`
}

// EventPage is a value of the control API.
type EventPage struct {
	Events []Event `json:"events"`
	// The after parameter of the next page.
	Last *string `json:"last"`
}

// Event is a value of the control API. A CloudEvent 1.0 as JSON; docs/events.md lists the types and what their data holds.
type Event struct {
	Data            json.RawMessage `json:"data"`
	Datacontenttype string          `json:"datacontenttype"`
	// Never given twice; the same in every attempt.
	ID string `json:"id"`
	// The process that the client was connected to.
	Instance string `json:"instance"`
	// Of a client's events, from 1 without holes.
	Sequence int64 `json:"sequence,omitzero"`
	// The node.
	Source      string `json:"source"`
	Specversion string `json:"specversion"`
	// The client id; of uid events, the uid.
	Subject string    `json:"subject,omitzero"`
	Time    time.Time `json:"time"`
	// Such as castgate.client.connected.
	Type string `json:"type"`
}

// DeadEvents is a value of the control API.
type DeadEvents struct {
	Events []DeadEvent `json:"events"`
}

// DeadEvent is a value of the control API. An event that was set aside.
type DeadEvent struct {
	Error      string    `json:"error"`
	Event      Event     `json:"event"`
	ID         string    `json:"id"`
	SetAsideAt time.Time `json:"set_aside_at"`
	// Of its last answer, 0 for none.
	Status int64 `json:"status"`
	// The backend, without its query; null if it is none any more.
	Url *string `json:"url"`
}

// ReplayAnswer is a value of the control API.
type ReplayAnswer struct {
	// Events set aside that were not accepted again.
	Failed int64 `json:"failed"`
	// Events after the given one, which are told again in their turn.
	Queued int64 `json:"queued"`
	// Events set aside that were accepted now.
	Replayed int64 `json:"replayed"`
}

// Problem is a value of the control API. RFC 9457.
type Problem struct {
	// Stable, for programs.
	Code string `json:"code"`
	// For humans; may change.
	Detail string `json:"detail"`
	Status int64  `json:"status"`
	Title  string `json:"title"`
	Type   string `json:"type"`
}

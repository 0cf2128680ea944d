package natslink

import (
	"crypto/tls"
	"log/slog"
)

// Config is how a link reaches the other nodes: by URLs or by Listen.
type Config struct {
	// Name is the cluster's name, a token of NATS subjects.
	Name string
	Node uint16

	// URLs are those of a NATS that is there already. NKey and Creds are files: the seed
	// of an nkey, and credentials.
	URLs        []string
	NKey, Creds string

	// Listen is host:port on which an embedded server listens for those of the others,
	// Peers where theirs are. RouteSecrets are what they know each other by: this one
	// shows the first, and accepts all.
	Listen       string
	Peers        []string
	RouteSecrets []string

	// TLS is for the connection to NATS, or for those between embedded servers. nil is
	// no TLS.
	TLS *tls.Config

	Logger *slog.Logger
}

// Limits of a link.
const (
	// maxPayload is the largest message of embedded servers in bytes.
	maxPayload = 8 << 20
	// What waits to be sent, and what has come and waits to be taken.
	queueMessages = 16384
	queueBytes    = 64 << 20
)

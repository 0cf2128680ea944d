package cluster

import "castgate/server/cluster/internal/natslink"

// LinkConfig is how a node reaches the others over NATS, see OpenLink.
type LinkConfig = natslink.Config

// Link is a Transport over NATS.
type Link = natslink.Link

// OpenLink opens a link to a NATS that is there, or starts an embedded server. NATS
// may be away; errors are about the configuration or this host.
func OpenLink(c LinkConfig) (*Link, error) { return natslink.Open(c) }

package gateway

import "time"

// KeyFetches describes the keys that are fetched from a URL.
type KeyFetches struct {
	Fetched, Failed uint64
	Keys            int       // known now
	LastSuccess     time.Time // zero for never
}

// Certificate describes a certificate of the wss listeners.
type Certificate struct {
	Name     string // first host or address, or else the common name
	NotAfter time.Time
}

// Stats is one reading of the gateway's counters. Gauges are exact when read;
// the counters of several loops are read one after another.
type Stats struct {
	Node        uint16
	StartedAt   time.Time
	Connections int // clients whose handshake has finished
	Sockets     int // client sockets, handshakes in progress and closing ones included
	Waiting     int // connections whose handshake waits until Events admits it
	MaxConns    int
	UIDs        int
	Groups      int
	Loops       int

	// Over the life of the process.
	Accepted   uint64            // sockets accepted
	Delayed    uint64            // times an acceptor waited for the handshake rate
	Addresses  int               // addresses whose connections are counted
	Handshakes map[string]uint64 // by result
	Closes     map[string]uint64 // by reason, of clients whose handshake had finished

	// TokensRefused is by reason. KeysFetched is nil unless keys are fetched
	// from a URL.
	TokensRefused map[string]uint64
	KeysFetched   *KeyFetches

	AcceptErrors uint64 // on listeners for clients

	// TLS, if there is a wss listener.
	TLSHandshakes       map[string]uint64 // by result
	Certificates        []Certificate     // in the order of the setting
	CertificateReloads  uint64
	CertificateFailures uint64 // reloads that kept the old certificates
	TLSInternals        bool   // whether the fields of crypto/tls that limits on wss clients need were found

	// Pushes. Matched = Written + the sum of Dropped + Queued, always.
	Pushes          uint64
	PushesUnmatched uint64 // of Pushes, those that matched no client
	PushesRefused   uint64 // answered CodeBusy
	Matched         uint64
	Written         uint64
	Dropped         map[string]uint64 // by reason
	Queued          int               // deliveries that have not ended
	QueuedBytes     int               // bytes queued for sockets, shared frames counted per client

	HeadBytes  int    // counted against the memory bound for unfinished request heads
	MessagesIn uint64 // complete messages from clients
	PutOff     uint64 // times the rest of a client's input was deferred to a later turn
	BytesIn    uint64 // read from client sockets
	BytesOut   uint64 // written to client sockets
	Pings      uint64 // sent by the heartbeat
	Writes     uint64 // write system calls that took bytes
	Panics     uint64 // panics recovered by closing the client that caused each

	// Compression, all zero unless it is on.
	CompressedClients int               // clients that agreed on permessage-deflate
	Compressed        uint64            // pushes compressed, once for each window
	CompressedLonger  uint64            // pushes that compression would not have shortened
	CompressedBefore  uint64            // payload bytes of compressed pushes
	CompressedAfter   uint64            // bytes of their frames
	Inflated          uint64            // compressed messages from clients
	InflatedBefore    uint64            // compressed bytes from clients
	InflatedAfter     uint64            // what they inflated to
	InflateErrors     map[string]uint64 // by reason

	// LoopLag is how late the slowest loop was for its last tick.
	LoopLag time.Duration
	// Turns is how long turns of the loops took: commands taken up, and a bounded number
	// of writes. PushTimes is how long pushes took from their request to the last write
	// or drop.
	Turns, PushTimes Durations
}

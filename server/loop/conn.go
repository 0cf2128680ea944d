package loop

import (
	"castgate/codec"
	"castgate/server/frames"
	"castgate/server/internal/table"
	"castgate/server/reason"
)

// connState is the phase of a connection.
type connState uint8

const (
	connFree      connState = iota // the slot holds no connection
	connProxy                      // waits for the header of a trusted proxy
	connHandshake                  // waits for the whole request head
	connRefusing                   // like connHandshake, but will be refused
	connVerifying                  // its token is being checked, or it waits to be admitted
	connOpen                       // a client
	connClosing                    // our close frame or refusal is queued or sent; waits for the peer
)

// connFlags are facts that hold beside the phase.
type connFlags uint16

const (
	flagRegistered connFlags = 1 << iota // in the registry, as far as this loop has been told
	flagBlocked                          // the socket is full; the poller watches for room
	flagUrgent                           // in the loop's urgent list
	flagBulk                             // in the loop's bulk list
	flagPinged                           // a ping is out and nothing has been read since
	flagPeerClosed                       // the peer's close frame has come
	flagShut                             // our side of the socket is shut for writing
	flagServed                           // the handshake was answered 101
	flagPong                             // a pong waits for the socket
	flagDeaf                             // what the peer still sends is read and thrown away
	flagLater                            // in the loop's list of clients whose messages wait for their turn
	flagTold                             // Events.Opened was called, Closed was not
	flagCounted                          // counted for its address, the one that the registry has
	flagExpires                          // its token ends: chunk.expires is the Unix time
	flagSecure                           // TLS: see secureStreams.of
	flagBindBy                           // while connOpen, deadline is the tick by which it must be bound
)

// conn is one connection's state on its loop. All of it is owned by the loop.
// It holds no buffers while idle: in is nil between messages, and what waits
// to be sent is a list of nodes in the loop's pool.
type conn struct {
	fd     int32  // -1 while the slot is free
	gen    uint32 // of the handle; grows with each owner of the slot
	state  connState
	paused pausing
	close  reason.Close          // why the connection is closing
	form   frames.Form           // how pushes are encoded for it
	why    codec.HandshakeResult // connRefusing: the answer
	sent   uint8                 // frames written since the last byte from the peer, counted by progress
	flags  connFlags

	out frames.Queue // frames that wait to be written

	// Times, in ticks of the loop.
	silentSince uint32 // the last byte from the peer; with flagPinged, from when PingTimeout counts
	deadline    uint32 // of the handshake or the close; see flagBindBy
	wheelAt     uint32 // the tick of the one entry in the wheel that counts

	aux     uint32 // heartbeat.count at the last message; once a drain has closed it, how many bytes it had yet to take. While the slot is free: the next free one
	seenAll uint32 // the newest broadcast of the log this client has been given
	mark    uint64 // registration number; broadcasts with a lower one are older

	in *inbound // a request head, frame or message that is not complete
}

func (c *conn) is(f connFlags) bool { return c.flags&f != 0 }
func (c *conn) set(f connFlags)     { c.flags |= f }
func (c *conn) clear(f connFlags)   { c.flags &^= f }

// handle names the connection for the world outside its loop.
func (l *loop) handle(slot uint32, c *conn) table.Handle {
	return table.MakeHandle(uint8(l.idx), slot, c.gen)
}

// receiver returns the open client a handle names, nil if it is gone.
func (l *loop) receiver(h table.Handle) *conn {
	c := l.conn(h.Slot())
	if c == nil || c.gen != h.Gen() || c.state != connOpen {
		return nil
	}
	return c
}

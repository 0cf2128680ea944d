// Package server is the gateway: it holds WebSocket clients on a few event
// loops and pushes to them.
//
// The nouns: a loop owns the connections accepted for it (conn), one goroutine
// each, no locks; the registry knows clients by id, uid and group, under
// sharded locks, from any goroutine; a frame is one encoded message, immutable
// and shared by all its receivers; a loop's mailbox is the border between the
// two worlds.
//
// A frame in: epoll (gnet's netpoll.Poller) -> loop.onEvent -> conn read ->
// codec -> what Config.OnMessage says.
//
// A push out: Server.Push encodes the frame once, finds the targets, grouped
// by loop, and appends one command to each loop's mailbox, with at most one
// wake-up per loop. The loop gives the frame to each target's waiting list and
// writes, a slice at a time, everything that waits for one socket in one
// system call.
//
// # Locks
//
// Lock order: one of Server.sessions, which no loop takes, then chunk.mu, then a
// table shard's lock or one of clientid.Peers', then mailbox.mu. Never the other way,
// never two chunks at once, and no lock is held across a system call on a
// client's socket. A loop's own state needs no lock; only its
// goroutine touches it.
//
// # Slices
//
// Bytes read from a socket live until the callback that got them returns.
// Frame bytes are never changed after Push has encoded them.
package server

// Package server is the gateway: it holds WebSocket clients on a few event
// loops and pushes to them.
//
// Server is the process: its settings, its listeners, how it starts and stops. Verbs are
// what backends ask for. Loops are the event loops and what they share. A loop owns the
// connections accepted for it (conn): one goroutine each, no locks. It is composed of
// parts, each of which owns its fields; ARCHITECTURE.md lists them, and the calls by which
// a frame comes in and a push goes out. The registry knows clients by id, uid and group,
// under sharded locks, from any goroutine. A loop's mailbox is the border between the two
// worlds.
//
// # Locks
//
// Lock order: one of Verbs.sessions, which no loop takes, then chunk.mu, then a
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

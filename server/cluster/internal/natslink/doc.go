// Package natslink carries the messages of a cluster over NATS: a NATS that is there
// already, or servers of its own, one in each process. It is the only importer of
// NATS.
//
// Each node has a subject, and there is one for all; names of uids and groups are
// never in subjects. Nothing is sent after a connection was lost: what NATS does not
// take at once is an error, and the client's buffer for reconnects is off.
package natslink

// Package kernel is the border to Linux for the sockets of clients: calls that never block,
// clocks, descriptors of a poller, and what the kernel knows of a peer's progress.
package kernel

package kernel

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// Flow is what the kernel knows of the way to a peer.
type Flow struct {
	// Edge is the end of the peer's window, modulo 2^32, as a count of bytes: it
	// moves on as the peer reads.
	Edge uint32
	// Acked is how many bytes the peer has acknowledged in all.
	Acked uint64
	// Waits tells that the kernel holds bytes that the peer has not acknowledged.
	Waits bool
	// Still is for how long nothing has moved; in doubt it is too short.
	Still time.Duration
}

// flowOf asks the kernel about a socket.
func flowOf(fd int) Flow {
	i, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return Flow{Still: math.MaxInt64}
	}
	still := i.Last_ack_recv
	if i.Notsent_bytes > 0 {
		// A peer without room for more still acknowledges the kernel's probes, but
		// nothing is sent to it.
		still = max(still, i.Last_data_sent)
	}
	return Flow{
		Edge:  uint32(i.Bytes_acked) + i.Snd_wnd,
		Acked: i.Bytes_acked,
		Waits: i.Unacked > 0 || i.Notsent_bytes > 0,
		Still: time.Duration(still) * time.Millisecond,
	}
}

// Transferred is how many bytes a socket has received and, as far as the peer has
// confirmed them, sent. So no connection has to count them.
func Transferred(fd int) (in, out uint64) {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0, 0
	}
	return info.Bytes_received, info.Bytes_acked
}

package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// push is one broadcast in progress at all senders.
type push struct {
	frame   []byte
	matched atomic.Int64
	lost    atomic.Int64
	senders sync.WaitGroup // still sending it
}

// maxPushes is how many broadcasts may wait for one sender; beyond that,
// callers of the control port wait.
const maxPushes = 64

// sender is one thread and the sockets that it sends to.
type sender struct {
	pushes chan *push

	mu      sync.Mutex // held during a whole loop of sends
	clients []*client
}

func newSender() *sender { return &sender{pushes: make(chan *push, maxPushes)} }

// run sends each push to each client with one system call, and nothing else. It
// keeps its thread.
func (s *sender) run() {
	runtime.LockOSThread()
	for p := range s.pushes {
		s.mu.Lock()
		lost := 0
		for _, c := range s.clients {
			// A RawSyscall avoids the cost of the Go scheduler: the call cannot
			// block.
			n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(c.fd),
				uintptr(unsafe.Pointer(&p.frame[0])), uintptr(len(p.frame)),
				unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
			if errno != 0 || int(n) < len(p.frame) {
				lost++
				if errno == 0 {
					// Half a frame: whatever follows would be meaningless to
					// this client.
					_ = unix.Shutdown(int(c.fd), unix.SHUT_RDWR)
				}
			}
		}
		p.matched.Add(int64(len(s.clients)))
		s.mu.Unlock()
		p.lost.Add(int64(lost))
		p.senders.Done()
	}
}

// welcome sends a client the answer to its handshake and adds it; false if the
// answer could not be sent completely. No push comes in between: one that
// begins after the client knows that it is connected reaches it.
func (s *sender) welcome(c *client, answer []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n, err := unix.Write(int(c.fd), answer); err != nil || n < len(answer) {
		return false
	}
	c.place = len(s.clients)
	s.clients = append(s.clients, c)
	return true
}

// remove removes a client and closes its socket: while a push is being sent,
// its descriptor must not become another client's.
func (s *sender) remove(c *client) {
	s.mu.Lock()
	last := s.clients[len(s.clients)-1]
	s.clients[c.place], last.place = last, c.place
	s.clients = s.clients[:len(s.clients)-1]
	unix.Close(int(c.fd))
	s.mu.Unlock()
}

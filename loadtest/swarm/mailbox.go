package swarm

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// mailbox passes work to a loop's goroutine. Any goroutine may call do and post; the
// other methods belong to the loop.
type mailbox struct {
	bell int // eventfd: there is work

	mu    sync.Mutex
	tasks []func()
	shut  bool
}

// open makes the bell, which the loop's epoll must watch.
func (m *mailbox) open() (err error) {
	m.bell, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	return nil
}

// release closes the bell. The loop must not be running.
func (m *mailbox) release() { unix.Close(m.bell) }

// do runs f on the loop's goroutine and waits for it. It returns false if the
// loop has ended.
func (m *mailbox) do(f func()) bool {
	done := make(chan struct{})
	if !m.post(func() { f(); close(done) }) {
		return false
	}
	<-done
	return true
}

// post is do without waiting.
func (m *mailbox) post(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shut {
		return false
	}
	m.tasks = append(m.tasks, f)
	// Under the lock, the bell of a mailbox that is not shut is not released.
	one := [8]byte{1}
	// It fails only if the counter is full, and then the bell is already
	// ringing.
	_, _ = unix.Write(m.bell, one[:])
	return true
}

// answer runs the waiting work once the bell has rung.
func (m *mailbox) answer() {
	var n [8]byte
	_, _ = unix.Read(m.bell, n[:])
	m.run()
}

// close runs the waiting work and accepts no more: no caller may wait forever.
func (m *mailbox) close() {
	m.mu.Lock()
	m.shut = true
	m.mu.Unlock()
	m.run()
}

func (m *mailbox) run() {
	m.mu.Lock()
	tasks := m.tasks
	m.tasks = nil
	m.mu.Unlock()
	for _, f := range tasks {
		f()
	}
}

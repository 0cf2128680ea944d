package bench

import (
	"context"
	"errors"
	"sync"

	"castgate/loadtest/control"
)

// binder binds connections as they open, over a few control connections, in
// batches of those that have opened meanwhile.
type binder struct {
	groups int
	bell   chan struct{} // rung while a connection waits to be bound

	mu      sync.Mutex
	waiting []arrival
	left    int           // how many bind still waits for
	done    chan struct{} // closed when none is left
}

// arrival is a connection that is open but not bound yet.
type arrival struct {
	connection int
	clientID   string
}

// bindCallers is the number of control connections that bind, bindBatch the
// largest number of commands per request.
const (
	bindCallers = 4
	bindBatch   = 1000
)

func newBinder(groups int) *binder {
	return &binder{groups: groups, bell: make(chan struct{}, 1)}
}

// arrived records a connection: loadtest.Config.Arrived.
func (b *binder) arrived(connection int, clientID string) {
	b.mu.Lock()
	b.waiting = append(b.waiting, arrival{connection, clientID})
	b.mu.Unlock()
	b.ring()
}

func (b *binder) ring() {
	select {
	case b.bell <- struct{}{}:
	default:
	}
}

// next appends up to bindBatch of the waiting connections to into, possibly
// none.
func (b *binder) next(into []arrival) []arrival {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(bindBatch, len(b.waiting))
	into = append(into[:0], b.waiting[:n]...)
	b.waiting = append(b.waiting[:0], b.waiting[n:]...)
	if len(b.waiting) > 0 {
		b.ring()
	}
	return into
}

// bind binds the next n connections, including those that have already opened,
// and returns when the server has confirmed the last.
func (b *binder) bind(ctx context.Context, callers []*caller, n int) error {
	b.mu.Lock()
	b.left, b.done = n, make(chan struct{})
	done := b.done
	b.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var running sync.WaitGroup
	failed := make([]error, len(callers))
	for i, c := range callers {
		running.Go(func() {
			if failed[i] = b.serve(ctx, c, done); failed[i] != nil {
				cancel(failed[i])
			}
		})
	}
	running.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	select {
	case <-done:
		return nil
	default:
		return context.Cause(ctx)
	}
}

// serve binds over one control connection until all are bound or ctx is done.
func (b *binder) serve(ctx context.Context, c *caller, done <-chan struct{}) error {
	var batch commands
	var now []arrival
	for {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return nil
		case <-b.bell:
		}
		if now = b.next(now); len(now) == 0 {
			continue
		}
		if err := c.allow(patience); err != nil {
			return err
		}
		batch.reset()
		for _, a := range now {
			batch.next()
			batch.body = b.appendBind(batch.body, a)
		}
		refused, err := c.batch(&batch, `{"previous_uid":null,"kicked":0}`)
		if err != nil {
			return err
		}
		if refused != nil {
			return errors.New("binding was refused with 503")
		}
		b.confirm(len(now))
	}
}

// appendBind appends the command that binds a. Ids and names need no escapes.
func (b *binder) appendBind(dst []byte, a arrival) []byte {
	dst = append(append(dst, `{"op":"bind","client_id":"`...), a.clientID...)
	dst = append(append(dst, `","uid":"`...), control.UID(a.connection)...)
	return append(append(append(dst, `","groups":["`...), control.GroupName(a.connection%b.groups)...), `"]}`...)
}

// confirm counts n connections as bound.
func (b *binder) confirm(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.left > 0 && b.left <= n {
		close(b.done)
	}
	b.left -= n
}

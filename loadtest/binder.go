package loadtest

import (
	"context"
	"errors"
	"net/http"
	"sync"
)

// binder binds connections through the control API as they become open, in
// batches of what has come meanwhile, over a few requests at once.
type binder struct {
	control *Control
	first   int // number of the first connection
	groups  int
	bell    chan struct{} // rung while somebody waits to be bound
	// told, if set, is given those whom the server has bound. Some may have
	// left again. Set before anything is bound.
	told func([]arrival)

	mu      sync.Mutex
	waiting []arrival // at most one for every time a connection opened
	busy    int       // taken, and not bound yet
	bound   int
	wanted  int           // settle waits for so many
	reached chan struct{} // closed once they are bound
}

// arrival is a connection that has become open.
type arrival struct {
	connection int
	clientID   string
}

// bindWorkers is how many requests bind at once.
const bindWorkers = 4

func newBinder(control *Control, first, groups int) *binder {
	return &binder{control: control, first: first, groups: groups, bell: make(chan struct{}, 1)}
}

// arrived is Config.Arrived.
func (b *binder) arrived(connection int, clientID string) {
	b.mu.Lock()
	b.waiting = append(b.waiting, arrival{connection, clientID})
	b.mu.Unlock()
	ring(b.bell)
}

// take returns up to a batch of those who wait. There may be none.
func (b *binder) take() []arrival {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(batchCommands, len(b.waiting))
	now := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	b.busy += n
	if len(b.waiting) > 0 {
		ring(b.bell)
	}
	return now
}

// settle binds until n more connections are bound.
func (b *binder) settle(ctx context.Context, n int) error {
	b.mu.Lock()
	b.bound, b.wanted, b.reached = 0, n, make(chan struct{})
	reached := b.reached
	b.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- b.work(ctx, false) }()
	select {
	case <-reached:
		cancel(nil)
		return <-done
	case err := <-done:
		if err == nil {
			err = context.Cause(ctx)
		}
		return err
	}
}

// follow binds whoever comes until ctx is done. Some may have left again
// before their turn.
func (b *binder) follow(ctx context.Context) error { return b.work(ctx, true) }

// work binds whoever comes until ctx is done, which is no error, or a batch
// fails. Clients the server does not know are an error unless they may leave.
func (b *binder) work(ctx context.Context, leaving bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers sync.WaitGroup
	failed := make([]error, bindWorkers)
	for i := range failed {
		workers.Go(func() {
			failed[i] = b.serve(ctx, leaving)
			cancel() // one that has failed ends all
		})
	}
	workers.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *binder) serve(ctx context.Context, leaving bool) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.bell:
		}
		now := b.take()
		if len(now) == 0 {
			continue
		}
		// What has been begun is ended: its outcome would not be known.
		all := make([]Binding, len(now))
		for i, a := range now {
			all[i] = bindingOf(b.first+a.connection, a.clientID, b.groups)
		}
		err := b.control.Bind(context.WithoutCancel(ctx), all)
		if refused := (*RefusedError)(nil); leaving && errors.As(err, &refused) && refused.Status == http.StatusNotFound {
			err = nil
		}
		if err != nil {
			return err
		}
		if b.told != nil {
			b.told(now)
		}
		b.confirm(len(now))
	}
}

func (b *binder) confirm(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.bound
	b.bound += n
	b.busy -= n
	if b.reached != nil && before < b.wanted && b.bound >= b.wanted {
		close(b.reached)
	}
}

// idle tells whether nobody waits to be bound.
func (b *binder) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting) == 0 && b.busy == 0
}

// settled is how many have been bound since settle was called.
func (b *binder) settled() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bound
}

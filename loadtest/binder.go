package loadtest

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"castgate/loadtest/control"
	"castgate/loadtest/swarm"
)

// binder binds connections through the control API as they open, in batches of
// those that have opened meanwhile, with a few concurrent requests.
type binder struct {
	control *control.Client
	first   int // number of the first connection
	groups  int
	bell    chan struct{} // rung while a connection waits to be bound
	// told, if set, receives the connections that the server has bound. Some
	// may have left again. Set it before anything is bound.
	told func([]swarm.Arrival)

	mu      sync.Mutex
	waiting []swarm.Arrival // at most one for each time that a connection opened
	busy    int             // in requests, not bound yet
	bound   int
	wanted  int           // how many settle waits for
	reached chan struct{} // closed once they are bound
}

// bindWorkers is the number of concurrent bind requests.
const bindWorkers = 4

func newBinder(c *control.Client, first, groups int) *binder {
	return &binder{control: c, first: first, groups: groups, bell: make(chan struct{}, 1)}
}

// arrived is Config.Arrived.
func (b *binder) arrived(connection int, clientID string) {
	b.mu.Lock()
	b.waiting = append(b.waiting, swarm.Arrival{Connection: connection, ClientID: clientID})
	b.mu.Unlock()
	b.ring()
}

// ring wakes a worker, now or when it next waits.
func (b *binder) ring() {
	select {
	case b.bell <- struct{}{}:
	default:
	}
}

// next returns up to a batch of the waiting connections, possibly none.
func (b *binder) next() []swarm.Arrival {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(control.BatchCommands, len(b.waiting))
	now := b.waiting[:n:n]
	b.waiting = b.waiting[n:]
	b.busy += n
	if len(b.waiting) > 0 {
		b.ring()
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

// follow binds connections as they open until ctx is done. Some may leave again
// before their turn.
func (b *binder) follow(ctx context.Context) error { return b.work(ctx, true) }

// work binds connections as they open until ctx is done, which is no error, or
// a batch fails. Clients that the server does not know are an error unless they
// may leave.
func (b *binder) work(ctx context.Context, leaving bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers sync.WaitGroup
	failed := make([]error, bindWorkers)
	for i := range failed {
		workers.Go(func() {
			failed[i] = b.serve(ctx, leaving)
			cancel() // a failure ends all
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
		now := b.next()
		if len(now) == 0 {
			continue
		}
		// A request that has begun is completed: its result would be unknown
		// otherwise.
		all := make([]control.Binding, len(now))
		for i, a := range now {
			all[i] = control.BindingOf(b.first+a.Connection, a.ClientID, b.groups)
		}
		err := b.control.Bind(context.WithoutCancel(ctx), all)
		if refused := (*control.RefusedError)(nil); leaving && errors.As(err, &refused) && refused.Status == http.StatusNotFound {
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

// idle reports whether no connection waits to be bound.
func (b *binder) idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting) == 0 && b.busy == 0
}

// settled is how many connections have been bound since settle was called.
func (b *binder) settled() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bound
}

package control

import (
	"slices"

	"castgate/server/control/internal/wire"
	"castgate/server/gateway"
)

// In a cluster, commands of a batch that do not depend on each other are begun one
// after the other without waiting for answers, so that what concerns one node goes
// there in one message.

// mostGrouped is how many commands are begun before their answers are waited for.
const mostGrouped = 512

// run is a part of a batch: commands that may be begun together.
type run struct {
	calls   []member
	reading bool            // pushes and queries, which change nothing
	clients map[string]bool // that the others change
}

// member is a command of a batch that may be executed beside others.
type member struct {
	*call
	ended chan struct{} // closed once it has its reply
}

// takes tells whether a command may be begun before those of the run are answered.
func (r *run) takes(m *wire.Command) bool {
	reading, clients := independent(m)
	switch {
	case !reading && clients == nil, len(r.calls) == mostGrouped:
		return false
	case len(r.calls) == 0:
	case reading != r.reading, slices.ContainsFunc(clients, func(id string) bool { return r.clients[id] }):
		return false
	}
	r.reading = reading
	for _, id := range clients {
		if r.clients == nil {
			r.clients = map[string]bool{}
		}
		r.clients[id] = true
	}
	return true
}

// independent tells which clients a command changes, if it does so whatever others
// are like; or that it changes none. Of what waits and what closes clients, neither
// is true.
func independent(m *wire.Command) (reading bool, clients []string) {
	switch m.Op {
	case wire.Push.Name:
		return !m.Wait, nil
	case wire.Online.Name, wire.Counts.Name:
		return true, nil
	case wire.Bind.Name:
		if !m.KickOld {
			clients = []string{m.ClientID}
		}
	case wire.PutSession.Name, wire.PatchSession.Name:
		clients = []string{m.ClientID}
	case wire.Unbind.Name:
		if len(m.To.UIDs) == 0 {
			clients = []string{m.ClientID}
		}
	case wire.Join.Name, wire.Leave.Name:
		if len(m.To.UIDs) == 0 {
			clients = m.To.ClientIDs
		}
	}
	return false, clients
}

// replies executes the commands of a batch and has each reply appended by add, in
// their order.
func (b *batch) replies(add func(one *call)) {
	r := &run{}
	group := b.server.cluster.Group()
	end := func() {
		group.Send()
		for _, one := range r.calls {
			<-one.ended
			add(one.call)
			one.release()
		}
		r = &run{}
	}
	for _, s := range b.spans {
		one := member{b.server.newCall(b.http), make(chan struct{})}
		one.ctx, one.caller, one.waiting, one.route = b.ctx, b.caller, true, b.route
		err := b.timeLeft()
		if err == nil {
			err = one.command.Decode(b.body[s.Start:s.End], nil)
		}
		together := err == nil && r.takes(&one.command)
		if !together {
			end()
			together = err == nil && r.takes(&one.command)
		}
		r.calls = append(r.calls, one)
		one.begin(group, err, together)
		if !together {
			end()
		}
	}
	end()
}

// begin executes a decoded command of a batch until it waits for other nodes, or to
// its end if it does not go together with others. err is the error of its decoding.
func (m member) begin(group gateway.Group, err error, together bool) {
	if !together {
		m.conclude(err)
		return
	}
	waits := make(chan struct{}, 1)
	m.ctx = group.Context(m.ctx, func() {
		select {
		case waits <- struct{}{}:
		default:
		}
	})
	go m.conclude(nil)
	select {
	case <-waits:
	case <-m.ended:
	}
}

// conclude executes a decoded command of a batch and makes its reply.
func (m member) conclude(err error) {
	defer close(m.ended)
	m.enclose(func() error {
		if err != nil {
			return err
		}
		return m.guarded()
	})
}

// guarded is execute without panics, which would end the process on a goroutine that
// is not the request's.
func (m member) guarded() (err error) {
	defer func() {
		if p := recover(); p != nil {
			m.server.defect(p)
			err = &wire.Fault{Code: codeInternal, Detail: "internal error; see the gateway's log"}
		}
	}()
	return m.execute()
}

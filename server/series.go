package server

import (
	"context"
	"slices"

	"castgate/server/internal/table"
)

// Series is what several pushes of one message share: the message is encoded
// once, and the clients to leave out are looked up once. It is for callers with
// more targets than one push should name. The zero value is ready. It belongs to
// one message and one list of exclusions, and to one goroutine at a time.
type Series struct {
	begun   bool
	frame   *frame
	set     formSet
	exclude []table.Handle
}

// begin encodes the message and looks up the exclusions, once.
func (r *Series) begin(ctx context.Context, s *Server, p *Push) error {
	if r.begun {
		return nil
	}
	exclude, err := s.handles(ctx, p.ExcludeClientIDs, p.ExcludeUIDs, nil)
	if err != nil {
		return err
	}
	r.set = s.plain | s.deflater.wanted(len(p.Payload), nil)
	r.exclude, r.begun = exclude, true
	return nil
}

// pushSeries posts one push of a series, in whole or, if it fails, not at all.
// A client gets one copy for each time that it is named or is a member.
func (s *Server) pushSeries(ctx context.Context, p *Push) (err error) {
	r := p.Series
	if err := r.begin(ctx, s, p); err != nil {
		return err
	}
	if p.To.All {
		_, err := s.pushAll(p, nil, r.exclude)
		return err
	}
	var list []table.Handle
	for _, id := range p.To.ClientIDs {
		if h := s.ids.parse(id); s.registry.online(h) {
			list = append(list, h)
		}
	}
	list, many := collect(s.registry.uids, p.To.UIDs, list, nil)
	list, many = collect(s.registry.groups, p.To.Groups, list, many)
	list = without(list, r.exclude)
	slices.Sort(list) // by loop
	if len(list)+len(many) == 0 {
		return nil
	}
	return s.postSeries(p, list, many)
}

// collect appends the members of names to list, or their snapshots to many
// where there are enough of them to be walked by the loops.
func collect(t *table.Table, names []string, list []table.Handle, many []table.Snapshot) ([]table.Handle, []table.Snapshot) {
	for _, name := range names {
		members := t.Snapshot(name)
		if members.Len() >= snapshotLeast {
			many = append(many, members)
			continue
		}
		for h := range members.All() {
			list = append(list, h)
		}
	}
	return list, many
}

// postSeries posts a list and snapshots to the loops. All commands share one
// frame, so that its bytes take room once.
func (s *Server) postSeries(p *Push, list []table.Handle, many []table.Snapshot) error {
	r := p.Series
	cost := pushCost(p, r.set) + int64(8*len(list)+commandCost*len(many))
	if !reserveAll(s.loops, cost) {
		return errBusy
	}
	if r.frame == nil {
		r.frame = s.encodePush(p, nil, r.set)
	}
	for i, l := range s.loops {
		var commands []command
		if len(list) > 0 && list[0].Loop() == i {
			var part []table.Handle
			_, part, list = ofLoop(list)
			commands = append(commands, command{kind: cmdList, frame: r.frame, list: part})
		}
		for _, members := range many {
			commands = append(commands, command{kind: cmdSnapshot, frame: r.frame, members: members, exclude: r.exclude, uncounted: true})
		}
		if len(commands) == 0 {
			l.mail.release(cost)
			continue
		}
		commands[len(commands)-1].cost = cost // the frame is there until the last is done
		l.postSeries(commands)
	}
	return nil
}

// postSeries posts commands of one frame. Any goroutine.
func (l *loop) postSeries(commands []command) {
	l.count.matched.Add(uint64(len(commands[0].list)))
	l.mail.mu.Lock()
	closed := l.mail.closed
	if !closed {
		l.mail.commands = append(l.mail.commands, commands...)
	}
	l.mail.mu.Unlock()
	if !closed {
		l.ring()
		return
	}
	for i := range commands {
		l.abandon(&commands[i])
	}
}

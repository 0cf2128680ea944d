package server

import (
	"time"

	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/internal/table"
)

var errBusy = &gateway.Error{Code: gateway.CodeBusy, Detail: "the event loops have no room for another push; try again"}

// fewTimed is the most clients of a push that is timed whatever else is.
const fewTimed = 64

// delivery is a message and how it goes to the loops. The message is a value: the
// compiler would put one that wait stands beside a pointer to on the heap.
type delivery struct {
	message gateway.Message
	wait    *frames.Wait  // nil unless the pusher waits
	began   time.Duration // when the push was asked for, by the loops' clock; 0: it is not timed
	later   bool          // loops that sleep need not be woken before Wake
}

// encode makes the frame of a push, and begins to time it. Of pushes to many one is timed
// at a time: the count of its deliveries is shared by the loops, and with many such pushes
// on their way it would be what a delivery costs most.
func (d *delivery) encode(s *Loops, set frames.Set, many bool) *frames.Frame {
	f := s.encoder.Push(&d.message, d.wait, set)
	if d.began != 0 && (!many || s.timing.begin(d.began)) {
		f.Time(d.began, many)
	}
	return f
}

func (s *Loops) pushAll(d delivery, exclude []table.Handle) (matched int, err error) {
	set := s.forms(len(d.message.Payload), nil)
	cost := pushCost(&d.message, set)
	if !reserveAll(s.loops, cost) {
		return 0, errBusy
	}
	f := d.encode(s, set, true)
	for _, l := range s.loops {
		matched += l.mail.postAll(command{kind: cmdAll, frame: f, exclude: exclude, cost: cost})
	}
	s.loops[0].count.timeOf(f, matched)
	return matched, nil
}

func (s *Loops) pushMembers(d delivery, members table.Snapshot, exclude []table.Handle) (int, error) {
	set := s.forms(len(d.message.Payload), nil)
	cost := pushCost(&d.message, set)
	var busy [4]uint64
	members.Loops(&busy)
	var loops []*loop
	for i, l := range s.loops {
		if busy[i/64]>>(i%64)&1 == 1 {
			loops = append(loops, l)
		}
	}
	matched := members.Len()
	for _, h := range exclude {
		if members.Contains(h) {
			matched--
		}
	}
	if !reserveAll(loops, cost) {
		return 0, errBusy
	}
	f := d.encode(s, set, matched > fewTimed)
	// How many members are on which loop is not known, nor needed: the sum is.
	s.loops[0].count.matched.Add(uint64(matched))
	for _, l := range loops {
		if cmd := (command{kind: cmdSnapshot, frame: f, members: members, exclude: exclude, cost: cost}); !l.mail.post(cmd) {
			l.fanout.abandon(&cmd)
		}
	}
	s.loops[0].count.timeOf(f, matched)
	return matched, nil
}

func (s *Loops) pushList(d delivery, list []table.Handle) (int, error) {
	if len(list) == 0 {
		return 0, nil
	}
	set := s.forms(len(d.message.Payload), list)
	frameCost := pushCost(&d.message, set)
	if len(list) == 1 {
		l := s.loops[list[0].Loop()]
		if !l.mail.reserve(frameCost) {
			return 0, errBusy
		}
		f := d.encode(s, set, false)
		l.mail.postPush(command{kind: cmdOne, frame: f, one: list[0], cost: frameCost}, 1, d.later)
		l.count.timeOf(f, 1)
		return 1, nil
	}
	var commands [][]table.Handle
	var loops []*loop
	for rest := list; len(rest) > 0; {
		var i int
		var part []table.Handle
		i, part, rest = table.CutLoop(rest)
		loops = append(loops, s.loops[i])
		commands = append(commands, part)
	}
	cost := frameCost + int64(8*len(list))
	if !reserveAll(loops, cost) {
		return 0, errBusy
	}
	f := d.encode(s, set, len(list) > fewTimed)
	for i, l := range loops {
		l.mail.postPush(command{kind: cmdList, frame: f, list: commands[i], cost: cost}, len(commands[i]), d.later)
	}
	s.loops[0].count.timeOf(f, len(list))
	return len(list), nil
}

// reserveAll takes room in every mailbox, or in none.
func reserveAll(loops []*loop, cost int64) bool {
	for i, l := range loops {
		if !l.mail.reserve(cost) {
			for _, done := range loops[:i] {
				done.mail.release(cost)
			}
			return false
		}
	}
	return true
}

// pushSeries posts one push of a series: to a sorted list and to the members of
// snapshots. f is the frame of the series, nil if none was made yet; it is returned.
func (s *Loops) pushSeries(d delivery, f *frames.Frame, set frames.Set, list []table.Handle, many []table.Snapshot, exclude []table.Handle) (*frames.Frame, error) {
	cost := pushCost(&d.message, set) + int64(8*len(list)+commandCost*len(many))
	if !reserveAll(s.loops, cost) {
		return f, errBusy
	}
	if f == nil {
		f = s.encoder.Push(&d.message, nil, set)
	}
	for i, l := range s.loops {
		var commands []command
		if len(list) > 0 && list[0].Loop() == i {
			var part []table.Handle
			_, part, list = table.CutLoop(list)
			commands = append(commands, command{kind: cmdList, frame: f, list: part})
		}
		for _, members := range many {
			commands = append(commands, command{kind: cmdSnapshot, frame: f, members: members, exclude: exclude, uncounted: true})
		}
		if len(commands) == 0 {
			l.mail.release(cost)
			continue
		}
		commands[len(commands)-1].cost = cost // the frame is there until the last is done
		l.mail.postSeries(commands)
	}
	return f, nil
}

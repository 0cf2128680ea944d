package loop

import (
	"time"

	"castgate/server/client"
	"castgate/server/frames"
	"castgate/server/gateway"
	"castgate/server/internal/table"
)

var ErrBusy = &gateway.Error{Code: gateway.CodeBusy, Detail: "the event loops have no room for another push; try again"}

// fewTimed is the most clients of a push that is timed whatever else is.
const fewTimed = 64

// Delivery is a message and how it goes to the loops. The message is a value: the
// compiler would put one that wait stands beside a pointer to on the heap.
type Delivery struct {
	Message gateway.Message
	Wait    *frames.Wait  // nil unless the pusher waits
	Began   time.Duration // when the push was asked for, by the loops' clock; 0: it is not timed
	Later   bool          // loops that sleep need not be woken before Wake
}

// encode makes the frame of a push, and begins to time it. Of pushes to many one is timed
// at a time: the count of its deliveries is shared by the loops, and with many such pushes
// on their way it would be what a delivery costs most.
func (d *Delivery) encode(s *Loops, set frames.Set, many bool) *frames.Frame {
	f := s.Encoder.Push(&d.Message, d.Wait, set)
	if d.Began != 0 && (!many || s.timing.Begin(d.Began)) {
		f.Time(d.Began, many)
	}
	return f
}

func (s *Loops) PushAll(d Delivery, exclude []table.Handle) (matched int, err error) {
	set := s.Forms(len(d.Message.Payload), nil)
	cost := pushCost(&d.Message, set)
	if !reserveAll(s.loops, cost) {
		return 0, ErrBusy
	}
	f := d.encode(s, set, true)
	for _, l := range s.loops {
		matched += l.mail.postAll(command{kind: cmdAll, frame: f, exclude: exclude, cost: cost})
	}
	s.loops[0].count.TimeOf(f, matched)
	return matched, nil
}

func (s *Loops) PushMembers(d Delivery, members table.Snapshot, exclude []table.Handle) (int, error) {
	set := s.Forms(len(d.Message.Payload), nil)
	cost := pushCost(&d.Message, set)
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
		return 0, ErrBusy
	}
	f := d.encode(s, set, matched > fewTimed)
	// How many members are on which loop is not known, nor needed: the sum is.
	s.loops[0].count.Matched.Add(uint64(matched))
	for _, l := range loops {
		if cmd := (command{kind: cmdSnapshot, frame: f, members: members, exclude: exclude, cost: cost}); !l.mail.post(cmd) {
			l.fanout.abandon(&cmd)
		}
	}
	s.loops[0].count.TimeOf(f, matched)
	return matched, nil
}

func (s *Loops) PushList(d Delivery, list []table.Handle) (int, error) {
	if len(list) == 0 {
		return 0, nil
	}
	set := s.Forms(len(d.Message.Payload), list)
	frameCost := pushCost(&d.Message, set)
	if len(list) == 1 {
		l := s.loops[list[0].Loop()]
		if !l.mail.reserve(frameCost) {
			return 0, ErrBusy
		}
		f := d.encode(s, set, false)
		l.mail.postPush(command{kind: cmdOne, frame: f, one: list[0], cost: frameCost}, 1, d.Later)
		l.count.TimeOf(f, 1)
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
		return 0, ErrBusy
	}
	f := d.encode(s, set, len(list) > fewTimed)
	for i, l := range loops {
		l.mail.postPush(command{kind: cmdList, frame: f, list: commands[i], cost: cost}, len(commands[i]), d.Later)
	}
	s.loops[0].count.TimeOf(f, len(list))
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

// PushSeries posts one push of a series: to a sorted list and to the members of
// snapshots. f is the frame of the series, nil if none was made yet; it is returned.
func (s *Loops) PushSeries(d Delivery, f *frames.Frame, set frames.Set, list []table.Handle, many []table.Snapshot, exclude []table.Handle) (*frames.Frame, error) {
	cost := pushCost(&d.Message, set) + int64(8*len(list)+commandCost*len(many))
	if !reserveAll(s.loops, cost) {
		return f, ErrBusy
	}
	if f == nil {
		f = s.Encoder.Push(&d.Message, nil, set)
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

// maxLooks is how many receivers of a push are looked at for their form.
const maxLooks = 64

// Forms are those that a push of so many bytes is to be made in. receivers are
// those it is for, if they are few and known; else any client there is may be one.
func (s *Loops) Forms(size int, receivers []table.Handle) frames.Set {
	if !s.Encoder.Compresses(size) {
		return s.Encoder.Plain
	}
	return s.Encoder.Plain | s.Registry.deflated(receivers)
}

// deflated are the deflated forms that some receivers have.
func (r *registry) deflated(receivers []table.Handle) (set frames.Set) {
	if set = r.forms.Deflated(); set == 0 || len(receivers) == 0 || len(receivers) > maxLooks {
		return set
	}
	var met frames.Set
	for _, h := range receivers {
		r.Lookup(h, func(c *client.Client) { met |= 1 << c.Form })
	}
	return set & met
}

package events

// What a subscriber could not be told, since the quota was full, is told as one event
// with its number, where it would have been.

// notice says how many events could not be told, where they would have been.
type notice struct {
	// Instance and First, the number of the first of them, make the id of the event
	// that says it, which is the same in every attempt.
	Instance string `json:"instance"`
	First    uint64 `json:"first"`
	Count    uint64 `json:"count"`
}

// forget moves the place behind records that are dropped. lost is how many events
// of each lane from its next number on are among them.
func (s *subscriber) forget(first, end uint64, count func(lane int, from uint64) uint64) {
	lost := uint64(0)
	for i, l := range s.lanes {
		l.mu.Lock()
		if l.next < end {
			lost += count(i, l.next)
			l.next = end
		}
		l.mu.Unlock()
	}
	if lost == 0 {
		return
	}
	if told, begins := s.lose(lost, first); begins {
		s.sayLost(told)
		s.tellLost(told)
	}
}

// sayLost logs a loss. While one is being told, others are added up and said after it: at
// most one line for each request.
func (s *subscriber) sayLost(n notice) {
	s.log.Error("the queue is full: its oldest events were dropped before this backend received them", "events", n.Count)
}

// lose notes that events are lost, of which first is the first. begins: it is to be
// told now.
func (s *subscriber) lose(lost, first uint64) (told notice, begins bool) {
	s.count.lost.Add(lost)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &s.lost[0]
	begins = n.Count == 0
	if !begins { // what is being told stays as it is
		n = &s.lost[1]
	}
	if n.Count == 0 {
		n.Instance, n.First = s.events.instance, first
	}
	n.Count += lost
	return *n, begins
}

// tellLost queues the event that stands for lost ones.
func (s *subscriber) tellLost(n notice) {
	enc := encoder{source: s.events.source, instance: n.Instance + "-lost"}
	body := enc.lost(n.First, s.events.now().UnixMicro(), n.Count, "quota")
	l := s.lanes[0]
	l.mu.Lock()
	l.push(item{}, body)
	l.mu.Unlock()
}

// lostTold notes that the event which stood for lost ones was accepted.
func (s *subscriber) lostTold() {
	s.mu.Lock()
	s.lost[0], s.lost[1] = s.lost[1], notice{}
	next := s.lost[0]
	s.mu.Unlock()
	if next.Count > 0 {
		s.sayLost(next)
		s.tellLost(next)
	}
}

// left is how many subscribers were not told of everything, once the journal has
// ended, and of how many events all together. What it has written since they left need
// not be events.
func (e *Events) left() (n int, events uint64) {
	for _, s := range *e.subscribers.Load() {
		p := s.place()
		lowest := p.lowest()
		if lowest > e.journal.newest {
			continue
		}
		n++
		events += p.Memory
		for r := e.store.NewReader(lowest); ; {
			rec, ok, err := r.Next()
			if err != nil || !ok {
				break
			}
			if h, _, err := parseHeader(rec.Payload); err == nil && rec.Kind == kindEvent && rec.Number >= p.Lanes[h.lane] {
				events++
			}
		}
	}
	return n, events
}

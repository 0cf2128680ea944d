package events

import "castgate/server/events/internal/store"

// ledger knows who was told of: the clients of this process that were told
// connected and not disconnected, and where in the store the last event is from
// which their end can be said after a crash. The journal's goroutine has it.
type ledger struct {
	clients map[uint64]standing
}

// standing is what is known of a client.
type standing struct {
	number   uint64 // of the record that says most of it
	sequence uint32 // of its last event
}

// standingLen is about what a client weighs in the store when its last event is
// carried along.
const standingLen = 320

// note takes down an event of a client and returns its sequence. told: it is one
// that subscribers get. ok is false for a client that is not known: nothing is said
// of it.
func (l *ledger) note(kind Type, key, number uint64, told bool) (sequence uint32, ok bool) {
	st, known := l.clients[key]
	if !known && kind != Connected {
		return 0, false
	}
	if told {
		st.sequence++
	}
	switch kind {
	case Disconnected:
		delete(l.clients, key)
		return st.sequence, true
	case Connected, Bound, Unbound:
		st.number = number
	}
	l.clients[key] = st
	return st.sequence, true
}

// rests tells whether a record is the one from which a client's end can be said.
func (l *ledger) rests(h *header, number uint64) bool {
	st, ok := l.clients[h.key]
	return ok && st.number == number
}

// moved notes that what is known of a client stands elsewhere now.
func (l *ledger) moved(key, number uint64) {
	st := l.clients[key]
	st.number = number
	l.clients[key] = st
}

// remains is what a log says of clients and uids of which the end was not said:
// those of processes that are gone.
type remains struct {
	clients map[remnant]standing
	uids    map[string]saidOnline
	places  []place
}

// saidOnline is where the log says that a uid is online, and by which stamp.
type saidOnline struct{ number, stamp uint64 }

// remnant names a client of any process.
type remnant struct{ instance, key uint64 }

// survey reads a log whole.
func survey(s *store.Store) (*remains, error) {
	out := &remains{clients: map[remnant]standing{}, uids: map[string]saidOnline{}}
	for r := s.NewReader(1); ; {
		rec, ok, err := r.Next()
		if err != nil || !ok {
			return out, err
		}
		if rec.Kind == kindPlaces {
			if places, err := parsePlaces(rec.Payload); err == nil {
				out.places = places
			}
			continue
		}
		h, body, err := parseHeader(rec.Payload)
		if err != nil {
			continue // of a version to come
		}
		who := remnant{h.instance, h.key}
		switch h.kind {
		case Connected, Bound, Unbound:
			out.clients[who] = standing{rec.Number, h.sequence}
		case Message:
			if st, ok := out.clients[who]; ok {
				out.clients[who] = standing{st.number, h.sequence}
			}
		case Disconnected:
			delete(out.clients, who)
		case UIDOnline:
			uid, stamp := uidOf(body)
			out.uids[uid] = saidOnline{rec.Number, stamp}
		case UIDOffline:
			uid, _ := uidOf(body)
			delete(out.uids, uid)
		}
	}
}

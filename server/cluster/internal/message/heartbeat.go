package message

// MaxMembers is how many members a view has at most. All of them exchange
// heartbeats with all.
const MaxMembers = 128

// Limits of the texts that describe a member, in bytes.
const maxText = 256

// View is who belongs to a cluster.
type View struct {
	// Chain names the line of views that this one is in: it begins with a node
	// that was alone. 0 is no view.
	Chain uint64
	// Epoch counts the views of a chain.
	Epoch uint64
	// Members are in their order, each node once.
	Members []Member
}

// Echo is what one member has heard of another.
type Echo struct {
	Of Member
	// Stamp is that of the latest heartbeat that was heard, Held how long ago that was
	// when this was written, in nanoseconds.
	Stamp, Held int64
	// Granted says that the member will not be voted out before its lease, counted from
	// Stamp, has run out.
	Granted bool
	// Names is up to where the sender has heard of its names.
	Names uint64
}

// Heartbeat is what a member tells all others, in regular intervals and when its
// view changes.
type Heartbeat struct {
	Stamp int64  // of the sender's clock, in nanoseconds
	Wall  int64  // Unix time in nanoseconds
	HLC   uint64 // hybrid logical clock
	View  View
	// Seen is the view in which the sender saw that it is no member any more; others
	// may not have heard of it.
	Seen View
	// Draining: the sender is about to end, and has given up its lease.
	Draining bool
	// Gone: this is its last heartbeat.
	Gone    bool
	Clients uint64
	Lease   int64 // in nanoseconds
	// Release is the version of the program, Address where it can be found. Peer is the
	// address in GatewayWorker's client ids, "" for none. Host identifies a process on
	// its machine.
	Release, Address, Peer, Host string
	// Names is the position of the names that the sender has told of, 0 if it does not
	// tell; NamesKey says under which key they are hashed.
	Names, NamesKey uint64
	Echoes          []Echo
}

// Append appends the body.
func (h *Heartbeat) Append(dst []byte) []byte {
	w := Writer{dst}
	w.Int(h.Stamp)
	w.Int(h.Wall)
	w.Uint(h.HLC)
	w.view(&h.View)
	w.view(&h.Seen)
	w.Bool(h.Draining)
	w.Bool(h.Gone)
	w.Uint(h.Clients)
	w.Int(h.Lease)
	for _, s := range []string{h.Release, h.Address, h.Peer, h.Host} {
		w.String(s[:min(len(s), maxText)])
	}
	w.Uint(h.Names)
	w.Uint(h.NamesKey)
	w.Uint(uint64(len(h.Echoes)))
	for _, e := range h.Echoes {
		w.Member(e.Of)
		w.Int(e.Stamp)
		w.Int(e.Held)
		w.Bool(e.Granted)
		w.Uint(e.Names)
	}
	return w.B
}

func (w *Writer) view(v *View) {
	w.Uint(v.Chain)
	w.Uint(v.Epoch)
	w.Members(v.Members)
}

func (r *Reader) view() View {
	v := View{Chain: r.Uint(), Epoch: r.Uint(), Members: r.Members()}
	if len(v.Members) > MaxMembers {
		r.fail()
	}
	for i := 1; i < len(v.Members); i++ {
		if v.Members[i-1].Node >= v.Members[i].Node {
			r.fail()
			break
		}
	}
	return v
}

// DecodeHeartbeat reads the body of a heartbeat.
func DecodeHeartbeat(body []byte) (h Heartbeat, err error) {
	r := Read(body)
	h = Heartbeat{Stamp: r.Int(), Wall: r.Int(), HLC: r.Uint(), View: r.view(), Seen: r.view(),
		Draining: r.Bool(), Gone: r.Bool(), Clients: r.Uint(), Lease: r.Int()}
	for _, s := range []*string{&h.Release, &h.Address, &h.Peer, &h.Host} {
		if *s = r.String(); len(*s) > maxText {
			r.fail()
		}
	}
	h.Names, h.NamesKey = r.Uint(), r.Uint()
	n := r.list(6)
	if n > 4*MaxMembers {
		r.fail()
		n = 0
	}
	for range n {
		h.Echoes = append(h.Echoes, Echo{Of: r.Member(), Stamp: r.Int(), Held: r.Int(), Granted: r.Bool(), Names: r.Uint()})
	}
	return h, r.Done()
}

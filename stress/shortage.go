package stress

import (
	"golang.org/x/sys/unix"

	"castgate/internal/wstest"
)

var shortage = []Scenario{{
	Name:    "open-files",
	Says:    "out of descriptors: connected clients are served, others are served later",
	options: wstest.Options{Wrap: []string{"prlimit", "--nofile=400:400", "--"}, Flags: []string{"--handshake-timeout", "60s"}},
	round:   openFiles,
}, {
	Name: "memory-pressure",
	Says: "GOMEMLIMIT=48MiB and queues full of large messages",
	options: wstest.Options{
		Env:   []string{"GOMEMLIMIT=48MiB"},
		Flags: []string{"--slow-policy", "drop", "--ping-interval", "0"},
	},
	round: memory,
}}

// openFiles lowers the limit of the running process below the value that it read at
// its start, so that accept itself fails.
func openFiles(t *Trial, s *site) {
	const spare, waiting = 10, 40
	in := s.crowd(t, 20)
	var usual unix.Rlimit
	t.Must(unix.Prlimit(s.PID(), unix.RLIMIT_NOFILE, nil, &usual) == nil, "reading the limit of open files")
	low := usual
	low.Cur = uint64(wstest.FDs(t, s.PID()) + spare)
	t.Must(unix.Prlimit(s.PID(), unix.RLIMIT_NOFILE, &low, nil) == nil, "lowering the limit of open files")
	queue := make([]*wstest.Raw, waiting)
	for i := range queue {
		queue[i] = s.DialRaw(t)
		queue[i].Put([]byte(wstest.Handshake))
	}
	const broadcasts = 50
	for i := range broadcasts {
		s.push(wstest.To("client_ids", idsOf(in)...), numbered(i, 100))
	}
	for _, c := range in {
		c.Await(broadcasts)
		t.all("a connected client", numbersOf(c), broadcasts)
		s.addReceived(broadcasts)
	}
	t.Must(unix.Prlimit(s.PID(), unix.RLIMIT_NOFILE, &usual, nil) == nil, "raising the limit of open files")
	var served []*wstest.Raw
	for _, r := range queue {
		// One may get a 503 at once: a descriptor is reserved for that.
		status := r.Status()
		t.Check(status == 101 || status == 503, "the handshake of a client that had to wait: %d", status)
		if status != 101 {
			s.expect(handshakesBusy, 1)
			continue
		}
		op, _, err := r.Frame()
		t.Check(err == nil && op == wstest.OpText, "its init message: opcode %d, %v", op, err)
		served = append(served, r)
	}
	t.Check(len(served) > waiting/2, "only %d of %d clients that had to wait were served", len(served), waiting)
	s.expect(handshakesOK, len(served))
	s.AwaitMetric("castgate_connections", float64(len(in)+len(served)))
	s.broadcast(numbered(broadcasts, 100))
	for _, r := range served {
		got, _ := readRest(r, 1)
		t.Check(len(got) == 1 && got[0] == broadcasts, "a client that had to wait has %v", got)
		s.addReceived(len(got))
	}
}

func idsOf(clients []*wstest.Client) []string {
	ids := make([]string, len(clients))
	for i, c := range clients {
		ids[i] = c.ID
	}
	return ids
}

// memory fills many queues with messages that all differ.
func memory(t *Trial, s *site) {
	const many, messages = 60, 120
	deaf(t, s, many)
	pour(t, s, messages)
	used := wstest.RSS(t, s.PID())
	t.Check(wstest.RaceEnabled || used < 48<<20+memorySlack, "%d MiB are in use with GOMEMLIMIT=48MiB", used>>20)
	d := s.Deliveries()
	t.Check(d.Dropped > 0, "no queue was full")
	t.Equal("deliveries written, dropped and queued, as matched", d.Written+d.Dropped+d.Queued, d.Matched)
}

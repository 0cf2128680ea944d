package stress

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"castgate/internal/wstest"
)

// rollout is a round: clients, and what each process has said and shown.
type rollout struct {
	t    *Trial
	s    *site
	all  sync.WaitGroup // goroutines of clients and pushers
	halt atomic.Bool    // stop connecting and pushing
	over atomic.Bool    // clients end

	mu   sync.Mutex
	open map[*wstest.Raw]bool
	of   map[int]*tally // by number of the process
}

// tally is what the clients of a process have seen, and what its answers said.
type tally struct {
	served, closed int  // clients that got a 101; that were closed with 1001
	sent, received int  // messages
	loose          bool // sent counts matched clients, of which some may have left meanwhile
	answered       int  // number of the newest push to all that was answered
	last           int  // the value of answered when the process was told to stop
}

func (v *rollout) count(process int, add func(*tally)) tally {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.of[process] == nil {
		v.of[process] = &tally{answered: -1, last: -1}
	}
	add(v.of[process])
	return *v.of[process]
}

func (v *rollout) now(process int) tally { return v.count(process, func(*tally) {}) }

// client is one connection. It stays until it is closed, which must be with 1001. A
// gateway that refuses it must say so.
func (v *rollout) client(address string) {
	r, err := (&wstest.Gateway{Addr: address}).TryDialRaw(v.t)
	if err != nil {
		v.t.Check(v.over.Load(), "a client was refused: %v", err)
		time.Sleep(arrivalGap)
		return
	}
	if !v.track(r, true) {
		return
	}
	defer v.track(r, false)
	_, err = r.Write([]byte(wstest.Handshake))
	answer, answerErr := r.Answer()
	switch {
	case v.over.Load():
	case answerErr != nil:
		v.t.Check(false, "a client had no answer: %v (write: %v)", answerErr, err)
	case answer == http.StatusSwitchingProtocols:
		v.read(r, 0)
	default:
		v.t.Equal("the answer to a refused client", answer, http.StatusServiceUnavailable)
	}
}

// track records a connection or, once it has ended, forgets it. It returns false if
// all clients are to end.
func (v *rollout) track(r *wstest.Raw, open bool) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if open && !v.over.Load() {
		v.open[r] = true
		return true
	}
	delete(v.open, r)
	_ = r.Close()
	return false
}

// read reads a client's messages until its end. The first message, if it has not
// been read yet, names the process.
func (v *rollout) read(r *wstest.Raw, process int) {
	last, code, before := -1, 0, -1
	if process != 0 {
		before = v.now(process).answered
	}
	for {
		op, payload, err := r.Frame()
		switch {
		case err != nil && v.over.Load():
			return
		case err != nil:
			v.t.Check(code == 1001, "a client of process %d has ended with %d: %v", process, code, err)
			c := v.count(process, func(c *tally) { c.closed++ })
			// The push after those answered before the client connected may have
			// missed it.
			v.t.Check(last >= c.last || before+1 >= c.last, "a client has messages up to %d, and push %d was answered before the stop", last, c.last)
			return
		case op == wstest.OpClose && len(payload) >= 2:
			code = int(payload[0])<<8 | int(payload[1])
			_, _ = r.Write(wstest.MaskedFrame(wstest.OpClose, payload))
		case op == wstest.OpText && process == 0:
			process = v.greeted(payload)
			before = v.now(process).answered
		case op == wstest.OpText:
			if number := numberOf(string(payload[:min(len(payload), 16)])); number >= 0 {
				v.t.Check(last < 0 || number == last+1, "a client has %d after %d", number, last)
				last = number
			}
			v.t.Check(code == 0, "a client has a message after its close frame")
			v.count(process, func(c *tally) { c.received++ })
		}
	}
}

// greeted counts a client by its first message.
func (v *rollout) greeted(message []byte) (process int) {
	var first struct{ Process int }
	v.t.Check(json.Unmarshal(message, &first) == nil && first.Process > 0, "the first message is %.100q", message)
	v.count(first.Process, func(c *tally) { c.served++ })
	return first.Process
}

// push pushes to all clients of a process until the process no longer answers.
func (v *rollout) push(g *wstest.Gateway, process int) (ended chan struct{}) {
	ended = make(chan struct{})
	v.all.Go(func() {
		defer close(ended)
		for i := 0; !v.halt.Load(); i++ {
			err := v.pushOnce(g, process, wstest.All(), numbered(i, 500))
			v.count(process, func(c *tally) {
				if err == nil {
					c.answered = i
				}
			})
			if err != nil {
				select { // the process has ended, the only valid reason
				case <-g.Done():
				case <-time.After(wstest.Patience):
					v.t.Check(false, "a push: %v", err)
				}
				return
			}
			time.Sleep(pushGap)
		}
	})
	return ended
}

// pushOnce makes one push and counts the clients that it was written to; if one
// does not read, those that it matched.
func (v *rollout) pushOnce(g *wstest.Gateway, process int, to wstest.M, text string) error {
	request, figure := wstest.M{"to": to, "text": text, "wait": "written"}, "written"
	if v.now(process).loose {
		delete(request, "wait")
		figure = "matched"
	}
	status, answer, err := g.TryControl("POST", "/v1/push", request)
	if err != nil {
		return err
	}
	n, ok := answer[figure].(float64)
	if !ok {
		return fmt.Errorf("status %d: %v", status, answer)
	}
	v.count(process, func(c *tally) { c.sent += int(n) })
	return nil
}

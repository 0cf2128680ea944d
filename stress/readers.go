package stress

import (
	"encoding/binary"
	"encoding/json"
	"sync"

	"castgate/internal/wstest"
)

var slowReaders = []Scenario{{
	Name:    "slow-close",
	Says:    "clients that do not read are closed, with what they have in order",
	options: wstest.Options{Flags: []string{"--slow-policy", "close", "--ping-interval", "0"}},
	round:   slowClose,
}, {
	Name:    "slow-drop",
	Says:    "clients that do not read miss exactly what was counted as dropped",
	options: wstest.Options{Flags: []string{"--slow-policy", "drop", "--ping-interval", "0"}},
	round:   slowDrop,
}, {
	Name:    "zero-window",
	Says:    "clients that read nothing and then everything miss nothing",
	options: wstest.Options{Flags: []string{"--send-queue", "32MiB", "--ping-interval", "0"}},
	round:   zeroWindow,
}}

const (
	bulk    = 100_000 // bytes of a message; two fit into the send queue
	bulks   = 100     // messages, more than the socket buffers hold
	stuck   = 4       // clients that do not read
	readers = 3       // clients that read
)

// deaf connects clients that read nothing and have small windows.
func deaf(t *Trial, s *site, n int) []*wstest.Raw {
	list := make([]*wstest.Raw, n)
	for i := range list {
		list[i] = s.DialRaw(t)
		list[i].SetReadBuffer(32 << 10)
		list[i].Upgrade()
	}
	s.expect(handshakesOK, n)
	return list
}

// listen gives a deaf client a large window again, so that it reads fast.
func listen(r *wstest.Raw) { r.SetReadBuffer(2 << 20) }

// pour broadcasts more than deaf clients accept, at the pace of clients that read,
// which must get everything.
func pour(t *Trial, s *site, n int) {
	good := s.crowd(t, readers)
	for i := range n {
		s.broadcast(numbered(i, bulk))
		// The pusher stays at most two messages ahead of its readers, so that they
		// are not the slow ones.
		for _, c := range good {
			c.Await(i)
		}
	}
	for _, c := range good {
		c.Await(n)
		t.all("a reader", numbersOf(c), n)
		s.addReceived(n)
	}
}

func slowClose(t *Trial, s *site) {
	list := deaf(t, s, stuck)
	pour(t, s, bulks)
	s.expect(closes("slow"), stuck)
	for _, r := range list {
		listen(r)
		got, code := readRest(r, bulks)
		t.Check(len(got) < bulks, "a client that did not read has everything")
		t.Check(code == 1008 || code == 0, "it was closed with %d, want 1008 or a cut", code)
		t.Check(len(got) == 0 || got[0] == 0, "it begins with %v", got[:min(1, len(got))])
		t.run("a client that did not read", got)
		s.addReceived(len(got))
	}
}

func slowDrop(t *Trial, s *site) {
	list := deaf(t, s, stuck)
	pour(t, s, bulks)
	const last = bulks // the number of a message to all at the end
	logs := make([][]int, len(list))
	var reading sync.WaitGroup
	for i, r := range list {
		listen(r)
		reading.Go(func() {
			for next := -1; next != last; {
				one, _ := readRest(r, 1)
				if len(one) == 0 {
					return
				}
				next = one[0]
				logs[i] = append(logs[i], next)
			}
		})
	}
	s.AwaitMetric("castgate_deliveries_queued", 0)
	s.broadcast(numbered(last, 10))
	reading.Wait()
	for _, got := range logs {
		t.Check(len(got) > 0 && got[len(got)-1] == last, "the last message did not arrive")
		t.Check(len(got) <= bulks, "a client that did not read missed nothing")
		for i := 1; i < len(got); i++ {
			t.Check(got[i] > got[i-1], "a client that did not read has %d after %d", got[i], got[i-1])
		}
		s.expect(droppedSlow, bulks+1-len(got))
		s.addReceived(len(got))
	}
}

func zeroWindow(t *Trial, s *site) {
	list := deaf(t, s, stuck)
	pour(t, s, bulks)
	wstest.Parallel(len(list), len(list), func(i int) {
		listen(list[i])
		got, code := readRest(list[i], bulks)
		t.Equal("the close code of a client that reads late", code, 0)
		t.all("a client that reads late", got, bulks)
		s.addReceived(len(got))
	})
}

var steadyReaders = []Scenario{{
	Name:    "slow-reader",
	Says:    "clients that read slowly but steadily miss nothing, kicked or not; those that read nothing are closed",
	options: wstest.Options{Flags: []string{"--ping-interval", "500ms", "--ping-timeout", "500ms"}},
	round:   slowReader,
}}

const (
	steadyRate     = 120_000 // bytes a second
	steadyMessages = 60      // of steadyBytes each: three times the timeout of a silent client
	steadyBytes    = 4_000   // of a short message
	steadyLong     = 200_000 // of a long message
)

// dialSteady connects clients that read slowly, and returns their ids.
func dialSteady(t *Trial, s *site, n int) (list []*wstest.Raw, ids []string) {
	for range n {
		r := s.DialRaw(t)
		r.SetReadBuffer(4 << 10)
		var init struct {
			ClientID string `json:"client_id"`
		}
		t.Must(json.Unmarshal([]byte(r.Upgrade()), &init) == nil && init.ClientID != "", "a slow client has no id")
		r.ReadSlowly(steadyRate)
		list, ids = append(list, r), append(ids, init.ClientID)
	}
	s.expect(handshakesOK, n)
	return list, ids
}

// sip reads until want messages have arrived or the connection ends, and answers
// pings and a close.
func sip(r *wstest.Raw, want int) (lengths, numbers []int, pings, code int) {
	for len(numbers) < want {
		op, payload, err := r.Frame()
		switch {
		case err != nil:
			return lengths, numbers, pings, code
		case op == wstest.OpText:
			lengths, numbers = append(lengths, len(payload)), append(numbers, numberOf(string(payload)))
		case op == wstest.OpPing:
			pings++
			r.Write(wstest.MaskedFrame(wstest.OpPong, payload)) // may fail, which the next read shows
		case op == wstest.OpClose && len(payload) >= 2:
			code = int(binary.BigEndian.Uint16(payload))
			r.Write(wstest.MaskedFrame(wstest.OpClose, payload))
		}
	}
	return lengths, numbers, pings, code
}

// slowReader has clients whose pongs come far later than the ping timeout. Some
// have many messages, some a long last one before a kick. Others read nothing.
func slowReader(t *Trial, s *site) {
	stay, stayIDs := dialSteady(t, s, stuck)
	kicked, kickedIDs := dialSteady(t, s, stuck)
	_, noneIDs := dialSteady(t, s, stuck)
	for i := range steadyMessages {
		s.push(wstest.To("client_ids", append(stayIDs, kickedIDs...)...), numbered(i, steadyBytes))
	}
	s.push(wstest.To("client_ids", noneIDs...), numbered(0, 900_000))
	s.OK("POST", "/v1/kick", wstest.M{"client_ids": kickedIDs, "code": 3000, "text": numbered(steadyMessages, steadyLong)})
	s.expect(closes("kicked"), stuck)
	s.expect(closes("ping_timeout"), stuck)
	wstest.Parallel(2*stuck, 2*stuck, func(i int) {
		if i < stuck {
			_, numbers, pings, _ := sip(stay[i], steadyMessages)
			t.all("a slow client", numbers, steadyMessages)
			s.push(wstest.To("client_ids", stayIDs[i]), numbered(steadyMessages, 10))
			_, last, more, _ := sip(stay[i], 1)
			t.Check(len(last) == 1 && last[0] == steadyMessages, "then it gets %v", last)
			t.Check(pings+more > 0, "a slow client was not pinged")
			s.addReceived(len(numbers) + len(last))
			stay[i].Close() // or it would be closed as silent
			return
		}
		lengths, numbers, _, code := sip(kicked[i-stuck], steadyMessages+2)
		t.all("a kicked client", numbers, steadyMessages+1)
		t.Check(len(lengths) > steadyMessages && lengths[steadyMessages] == steadyLong, "the last message is truncated: %v", lengths)
		t.Equal("the close code of a kicked client", code, 3000)
		s.addReceived(min(len(numbers), steadyMessages))
	})
	s.AwaitMetric("castgate_sockets", 0)
}

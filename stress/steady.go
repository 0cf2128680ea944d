package stress

import (
	"encoding/binary"
	"encoding/json"

	"castgate/internal/wstest"
)

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

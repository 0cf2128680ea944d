package stress

import (
	"encoding/binary"
	"encoding/json"

	"castgate/internal/wstest"
)

var steadyReaders = []Scenario{{
	Name:    "slow-reader",
	Says:    "who reads slowly but steadily misses nothing, kicked or not; who takes nothing goes",
	options: wstest.Options{Flags: []string{"--ping-interval", "500ms", "--ping-timeout", "500ms"}},
	round:   slowReader,
}}

const (
	steadyRate     = 120_000 // bytes a second
	steadyMessages = 60      // of steadyBytes each: three times as long as a silent client has
	steadyBytes    = 4_000   // of a short message
	steadyLong     = 200_000 // of a long one
)

// dialSteady dials clients that read slowly, and their ids.
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
	s.owe(handshakesOK, n)
	return list, ids
}

// sip reads until want messages have come or the connection ends, and answers
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
			r.Write(wstest.MaskedFrame(wstest.OpPong, payload)) // may fail: reading tells
		case op == wstest.OpClose && len(payload) >= 2:
			code = int(binary.BigEndian.Uint16(payload))
			r.Write(wstest.MaskedFrame(wstest.OpClose, payload))
		}
	}
	return lengths, numbers, pings, code
}

// slowReader has clients whose pongs take far longer than pings wait for: some
// with many messages, some with a long last one before a kick. Others take
// nothing.
func slowReader(t *Trial, s *site) {
	stay, stayIDs := dialSteady(t, s, stuck)
	kicked, kickedIDs := dialSteady(t, s, stuck)
	_, noneIDs := dialSteady(t, s, stuck)
	for i := range steadyMessages {
		s.push(wstest.To("client_ids", append(stayIDs, kickedIDs...)...), numbered(i, steadyBytes))
	}
	s.push(wstest.To("client_ids", noneIDs...), numbered(0, 900_000))
	s.OK("POST", "/v1/kick", wstest.M{"client_ids": kickedIDs, "code": 3000, "text": numbered(steadyMessages, steadyLong)})
	s.owe(closes("kicked"), stuck)
	s.owe(closes("ping_timeout"), stuck)
	wstest.Parallel(2*stuck, 2*stuck, func(i int) {
		if i < stuck {
			_, numbers, pings, _ := sip(stay[i], steadyMessages)
			t.all("who reads slowly", numbers, steadyMessages)
			s.push(wstest.To("client_ids", stayIDs[i]), numbered(steadyMessages, 10))
			_, last, more, _ := sip(stay[i], 1)
			t.Check(len(last) == 1 && last[0] == steadyMessages, "then comes %v", last)
			t.Check(pings+more > 0, "who reads slowly was not pinged")
			s.heard(len(numbers) + len(last))
			stay[i].Close() // or it would be found silent
			return
		}
		lengths, numbers, _, code := sip(kicked[i-stuck], steadyMessages+2)
		t.all("who is kicked", numbers, steadyMessages+1)
		t.Check(len(lengths) > steadyMessages && lengths[steadyMessages] == steadyLong, "the last message is cut: %v", lengths)
		t.Equal("the close code of who is kicked", code, 3000)
		s.heard(min(len(numbers), steadyMessages))
	})
	s.AwaitMetric("castgate_sockets", 0)
}

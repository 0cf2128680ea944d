package message

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"
	"time"

	"castgate/server/gateway"
)

var (
	one = Member{Node: 1, Instance: 0x8aa7b62efe0b}
	two = Member{Node: 65535, Instance: 1}
)

func someHeartbeat() Heartbeat {
	return Heartbeat{
		Stamp: 12, Wall: -3, HLC: 1 << 60, View: View{Chain: 7, Epoch: 3, Members: []Member{one, two}}, Seen: View{Chain: 9},
		Draining: true, Clients: 1_000_000, Lease: int64(3 * time.Second), Release: "1.0", Address: "10.0.0.1:7273", Peer: "0a0000010b54", Host: "boot pid:[1] 2 3",
		Names: 7, NamesKey: 8, Echoes: []Echo{{Of: two, Stamp: 5, Held: 6, Granted: true, Names: 9}},
	}
}

func someBallot() Ballot {
	return Ballot{Chain: 7, Epoch: 3, Round: 9, By: one, Granted: true, Voted: true, VotedRound: 8, VotedBy: two,
		Next: View{Chain: 7, Epoch: 4, Members: []Member{one}}}
}

func someRequest() Request {
	return Request{
		Seq: 1, GiveUp: 2, HLC: 3, Chain: 4, Epoch: 5, Asked: []Member{one, two}, Verb: VerbPush,
		To:               gateway.Targets{ClientIDs: []string{"c"}, UIDs: []string{"u", ""}, Groups: []string{"g\xff"}, All: true},
		ExcludeClientIDs: []string{"d"}, ExcludeUIDs: []string{"v"}, ClientID: "c", UID: "u", KickOld: true, Code: 4001,
		Reason: "r", Text: "t", Payload: []byte{0, 1}, Binary: true, Wait: true, Budget: 7,
		List: gateway.List{UID: "u", Group: "g", Limit: 10, Cursor: "x"}, Claims: []Claim{{UID: "u", Stamp: Stamp{HLC: 1, By: two}}},
	}
}

func someReply() Reply {
	return Reply{
		Seq: 1, HLC: 2, First: true, Code: "busy", Detail: "d", Numbers: []int64{-1, 1 << 40}, Names: []string{"n"}, Missing: []uint16{3, 65535}, Next: "x",
		Clients: []gateway.ClientInfo{{ClientID: "c", UID: "u", Groups: []string{"g"}, Session: json.RawMessage(`{"a":1}`), RemoteAddr: "1.2.3.4:5",
			ConnectedAt: time.UnixMilli(1_700_000_000_123), QueuedBytes: 1, QueuedFrames: 2}},
		Counts: []gateway.NameCount{{Name: "g", Clients: 2}}, Data: []byte("{}"), Newer: []Claim{{UID: "u", Stamp: Stamp{HLC: 9, By: one}}},
	}
}

// What is written is read.
func TestBodies(t *testing.T) {
	h, b, q, r := someHeartbeat(), someBallot(), someRequest(), someReply()
	if got, err := DecodeHeartbeat(h.Append(nil)); err != nil || !reflect.DeepEqual(got, h) {
		t.Errorf("%+v, %v, want %+v", got, err, h)
	}
	if got, err := DecodeBallot(b.Append(nil)); err != nil || !reflect.DeepEqual(got, b) {
		t.Errorf("%+v, %v, want %+v", got, err, b)
	}
	if got, err := DecodeRequest(q.Append(nil)); err != nil || !reflect.DeepEqual(got, q) {
		t.Errorf("%+v, %v, want %+v", got, err, q)
	}
	if got, err := DecodeReply(r.Append(nil)); err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("%+v, %v, want %+v", got, err, r)
	}
}

// Each part of a body but the whole is refused, and so is what comes after it.
func TestCutBodies(t *testing.T) {
	h, b, q, r := someHeartbeat(), someBallot(), someRequest(), someReply()
	for name, c := range map[string]struct {
		body   []byte
		decode func([]byte) error
	}{
		"heartbeat": {h.Append(nil), func(b []byte) error { _, err := DecodeHeartbeat(b); return err }},
		"ballot":    {b.Append(nil), func(b []byte) error { _, err := DecodeBallot(b); return err }},
		"request":   {q.Append(nil), func(b []byte) error { _, err := DecodeRequest(b); return err }},
		"reply":     {r.Append(nil), func(b []byte) error { _, err := DecodeReply(b); return err }},
	} {
		for n := range c.body {
			if c.decode(c.body[:n]) == nil {
				t.Errorf("%s: %d of %d bytes are taken for all", name, n, len(c.body))
			}
		}
		if c.decode(append(c.body, 0)) == nil {
			t.Errorf("%s: a byte too many is taken", name)
		}
	}
}

// A length that is not true costs no memory.
func TestFalseLengths(t *testing.T) {
	allocated := testing.AllocsPerRun(100, func() {
		r := Read([]byte{0xff, 0xff, 0xff, 0xff, 0x0f, 1})
		if r.Strings() != nil || r.Done() == nil {
			t.Error("a list of 4 G strings was read from 6 bytes")
		}
	})
	if allocated > 1 {
		t.Errorf("%v allocations", allocated)
	}
}

func TestViewsAreSorted(t *testing.T) {
	for _, members := range [][]Member{{two, one}, {one, one}, {one, {Node: 1, Instance: 5}}} {
		h := Heartbeat{View: View{Chain: 1, Epoch: 1, Members: members}}
		if _, err := DecodeHeartbeat(h.Append(nil)); err == nil {
			t.Errorf("%v is taken for a view", members)
		}
	}
}

// Only who knows one of the secrets is heard; envelopes are the same in all versions.
func TestSeals(t *testing.T) {
	old, both, other := NewSeals([][]byte{[]byte("old")}), NewSeals([][]byte{[]byte("new"), []byte("old")}), NewSeals([][]byte{[]byte("other")})
	e := Envelope{Version: Version + 1, Kind: 99, From: one, To: two.Instance}
	m := old.Seal(append(Begin(nil, e), "body"...))
	got, body, err := both.Open(m)
	if err != nil || got != e || string(body) != "body" {
		t.Errorf("%+v %q %v", got, body, err)
	}
	if _, _, err := old.Open(both.Seal(Begin(nil, e))); !errors.Is(err, ErrSeal) {
		t.Errorf("the new secret is taken by who has the old one alone: %v", err)
	}
	if got, _, err := other.Open(m); !errors.Is(err, ErrSeal) || got.From != one {
		t.Errorf("%+v, %v", got, err)
	}
	for i := range m {
		bad := append([]byte(nil), m...)
		bad[i] ^= 1
		if _, _, err := old.Open(bad); err == nil {
			t.Errorf("byte %d may be changed", i)
		}
	}
	if _, _, err := old.Open(m[:Overhead-1]); !errors.Is(err, ErrMalformed) {
		t.Errorf("a short message: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	s := NewSeals([][]byte{[]byte("secret")})
	f.Fuzz(func(t *testing.T, m []byte) {
		if _, _, err := s.Open(m); err == nil {
			t.Error("somebody without the secret is heard")
		}
	})
}

func FuzzHeartbeat(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		if h, err := DecodeHeartbeat(body); err == nil {
			if again, err := DecodeHeartbeat(h.Append(nil)); err != nil || !reflect.DeepEqual(h, again) {
				t.Errorf("%+v becomes %+v, %v", h, again, err)
			}
		}
	})
}

func FuzzBallot(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		if b, err := DecodeBallot(body); err == nil {
			if again, err := DecodeBallot(b.Append(nil)); err != nil || !reflect.DeepEqual(b, again) {
				t.Errorf("%+v becomes %+v, %v", b, again, err)
			}
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		if q, err := DecodeRequest(body); err == nil {
			if again, err := DecodeRequest(q.Append(nil)); err != nil || !reflect.DeepEqual(q, again) {
				t.Errorf("%+v becomes %+v, %v", q, again, err)
			}
		}
	})
}

func FuzzReply(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := DecodeReply(body); err == nil {
			if again, err := DecodeReply(r.Append(nil)); err != nil || !reflect.DeepEqual(r, again) {
				t.Errorf("%+v becomes %+v, %v", r, again, err)
			}
		}
	})
}

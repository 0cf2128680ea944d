package gatewayworker

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestRegisterLine(t *testing.T) {
	var d Decoder
	for line, want := range map[string]string{
		``: "invalid", `x`: "invalid", `[]`: "invalid", `[1]`: "invalid", `5`: "invalid", `"gateway_connect"`: "invalid", `{}`: "invalid",
		`{"event":""}`: "invalid", `{"event":"0"}`: "invalid", `{"event":0}`: "invalid", `{"event":0.0}`: "invalid", `{"event":null}`: "invalid", `{"event":false}`: "invalid",
		`{"event":[]}`: "invalid", `{"event":{}}`: "invalid", `{"event":"ping"} x`: "invalid", `GET / HTTP/1.1`: "invalid",
		`{"event":true}`: "unknown", `{"event":5}`: "unknown", `{"event":["ping"]}`: "unknown", `{"event":"Ping"}`: "unknown", `{"event":"00"}`: "unknown",
		`{"event":"ping"}`: "ping", `{"event":"x","event":"ping"}`: "ping", ` { "event" : "p\u0069ng" } `: "ping",
		`{"event":"worker_connect"}`:                                                        `worker "" key ""`,
		`{"event":"worker_connect","secret_key":null}`:                                      `worker "" key ""`,
		`{"event":"worker_connect","secret_key":"a\"b"}`:                                    `worker "" key "a\"b"`,
		`{"event":"worker_connect","secret_key":5}`:                                         `worker "" no key`,
		`{"event":"worker_connect","secret_key":false}`:                                     `worker "" no key`,
		`{"event":"worker_connect","secret_key":[]}`:                                        `worker "" no key`,
		`{"secret_key":"k","address":"1.2.3.4:5","event":"gateway_connect"}`:                `gateway "1.2.3.4:5" key "k"`,
		`{"event":"gateway_connect","address":"0"}`:                                         `gateway "" key ""`,
		`{"event":"gateway_connect","address":""}`:                                          `gateway "" key ""`,
		`{"event":"gateway_connect","address":["1.2.3.4:5"]}`:                               `gateway "" key ""`,
		`{"event":"gateway_connect","address":5}`:                                           `gateway "" key ""`,
		`{"event":"gateway_connect","address":"a:1","address":null,"other":{"address":[]}}`: `gateway "" key ""`,
	} {
		l := d.RegisterLine([]byte(line))
		got := [...]string{"invalid", "unknown", "gateway", "worker", "ping"}[l.Event]
		if l.Event == RegisterGateway || l.Event == RegisterWorker {
			got += fmt.Sprintf(" %q", l.Address)
			if l.Secret == nil {
				got += " no key"
			} else {
				got += fmt.Sprintf(" key %q", l.Secret)
			}
		}
		if got != want {
			t.Errorf("%s: %s, expected %s", line, got, want)
		}
	}
}

func TestBroadcast(t *testing.T) {
	var d Decoder
	for line, want := range map[string]string{
		`{"event":"broadcast_addresses","addresses":["a:1","b:2"]}`:         "a:1|b:2",
		`{"event":"broadcast_addresses","addresses":{"0":"a:1","3":"b:2"}}`: "a:1|b:2",
		`{"event":"broadcast_addresses","addresses":[]}`:                    "",
	} {
		if got, ok := d.Broadcast([]byte(line)); !ok || text(got) != want {
			t.Errorf("%s: %q, %v", line, got, ok)
		}
	}
	for _, line := range []string{"", "[]", `{"event":"broadcast_addresses"}`, `{"event":"broadcast_addresses","addresses":"a:1"}`, `{"event":"x","addresses":[]}`, `{"addresses":[]}`} {
		if _, ok := d.Broadcast([]byte(line)); ok {
			t.Errorf("%s taken", line)
		}
	}
	odd := []string{"a\"b\\c\n\x01", "é/", "\xff"}
	got, ok := d.Broadcast(bytes.TrimSuffix(AppendBroadcast(nil, odd), []byte("\n")))
	if odd[2] = "\uFFFD"; !ok || text(got) != strings.Join(odd, "|") {
		t.Errorf("%q, %v", got, ok)
	}
	if l := d.RegisterLine(bytes.TrimSpace(AppendGatewayConnect(nil, "1.2.3.4:5", odd[0]))); string(l.Address) != "1.2.3.4:5" || string(l.Secret) != odd[0] {
		t.Errorf("%+v", l)
	}
	if l := d.RegisterLine(bytes.TrimSpace(AppendWorkerConnect(nil, odd[0]))); l.Event != RegisterWorker || string(l.Secret) != odd[0] {
		t.Errorf("%+v", l)
	}
}

// linesOf reads lines out of pieces.
func linesOf(limit int, pieces [][]byte) (lines []string, err error) {
	r := LineReader{Max: limit}
	for _, in := range pieces {
		for {
			line, rest, ok, err := r.Next(in)
			if err != nil {
				return lines, err
			}
			if !ok {
				break
			}
			lines, in = append(lines, string(line)), rest
		}
	}
	return lines, nil
}

func TestLineReader(t *testing.T) {
	for in, want := range map[string]string{
		"a\nb\r\n\n\r\r\nc": `["a" "b" "" ""]`, "": "[]", "a\r": "[]", " a \t\n": `[" a \t"]`, "a\rb\n": `["a\rb"]`,
		"123456\n1234567\n": `["123456" "1234567"]`, "12345678\n": "[] long", "12345678": "[] long", "a\n12345678": `["a"] long`, "1234567": "[]",
	} {
		for seed := range uint64(8) {
			pieces := [][]byte{[]byte(in)}
			if seed > 0 {
				pieces = split([]byte(in), seed)
			}
			lines, err := linesOf(8, pieces)
			got := fmt.Sprintf("%q", lines)
			if errors.Is(err, ErrLineLong) {
				got += " long"
			}
			if got != want {
				t.Errorf("%q: %s, expected %s", in, got, want)
			}
		}
	}
	r := LineReader{}
	for range 3 { // what came in pieces leaves no large buffer
		big := bytes.Repeat([]byte("x"), 100<<10)
		if _, _, ok, err := r.Next(big); ok || err != nil {
			t.Fatal(ok, err)
		}
		if line, _, ok, err := r.Next([]byte("y\n")); !ok || err != nil || len(line) != len(big)+1 {
			t.Fatal(ok, err)
		}
		if _, _, _, err := r.Next(nil); err != nil || r.held != nil {
			t.Errorf("keeps %d bytes, %v", cap(r.held), err)
		}
	}
	if _, _, _, err := r.Next(make([]byte, MaxLine)); !errors.Is(err, ErrLineLong) {
		t.Error(err)
	}
	if _, _, _, err := r.Next([]byte("\n")); !errors.Is(err, ErrLineLong) {
		t.Error("the error does not stay")
	}
}

func FuzzLineReader(f *testing.F) {
	f.Add([]byte("{\"event\":\"ping\"}\n\r\nabc\r\n"), uint64(1))
	f.Add(bytes.Repeat([]byte("x"), 70), uint64(2))
	f.Fuzz(func(t *testing.T, b []byte, seed uint64) {
		whole, wholeErr := linesOf(64, [][]byte{b})
		parts, partsErr := linesOf(64, split(b, seed))
		if fmt.Sprintf("%q", whole) != fmt.Sprintf("%q", parts) || !errors.Is(partsErr, wholeErr) {
			t.Errorf("%q: whole %q, %v; split %q, %v", b, whole, wholeErr, parts, partsErr)
		}
	})
}

package message

import (
	"bytes"
	"testing"
)

// Several requests come out as they went in, and no part of them is taken for all.
func TestRequests(t *testing.T) {
	l := Requests{[]byte("one"), nil, []byte("three")}
	body := l.Append(nil)
	got, err := DecodeRequests(body)
	if err != nil || len(got) != len(l) || !bytes.Equal(got[0], l[0]) || len(got[1]) != 0 || !bytes.Equal(got[2], l[2]) {
		t.Errorf("%q, %v", got, err)
	}
	for n := range body {
		if _, err := DecodeRequests(body[:n]); err == nil {
			t.Errorf("%d of %d bytes are taken for all", n, len(body))
		}
	}
}

// Body is what stands between envelope and seal.
func TestBody(t *testing.T) {
	m := NewSeals([][]byte{[]byte("key")}).Seal(append(Begin(nil, Envelope{From: one}), "body"...))
	if string(Body(m)) != "body" {
		t.Errorf("%q", Body(m))
	}
}

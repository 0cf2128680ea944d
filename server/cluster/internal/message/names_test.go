package message

import (
	"reflect"
	"testing"

	"castgate/server/cluster/internal/names"
)

// Messages about names come out as they went in, and no part of one is taken for all.
func TestNames(t *testing.T) {
	changes := Names{After: 7, Changes: []names.Change{names.Add(1), names.Remove(1<<48 - 1)}}
	heard, wanted := NamesHeard{UpTo: 1 << 40}, NamesWanted{From: 5, Part: names.Shards - 1}
	part := NamesPart{Pos: 9, Part: 3, Next: names.Shards, Hashes: []uint64{1, 1<<48 - 1}}
	for _, c := range []struct {
		body   []byte
		want   any
		decode func([]byte) (any, error)
	}{
		{changes.Append(nil), changes, func(b []byte) (any, error) { return either(DecodeNames(b)) }},
		{heard.Append(nil), heard, func(b []byte) (any, error) { return either(DecodeNamesHeard(b)) }},
		{wanted.Append(nil), wanted, func(b []byte) (any, error) { return either(DecodeNamesWanted(b)) }},
		{part.Append(nil), part, func(b []byte) (any, error) { return either(DecodeNamesPart(b)) }},
	} {
		if got, err := c.decode(c.body); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v, %v, want %+v", got, err, c.want)
		}
		for n := range c.body {
			if _, err := c.decode(c.body[:n]); err == nil {
				t.Errorf("%T: %d of %d bytes are taken for all", c.want, n, len(c.body))
			}
		}
	}
}

func either[T any](v T, err error) (any, error) { return v, err }

// Hashes that are none and parts that there are not are refused.
func TestNamesThatCannotBe(t *testing.T) {
	zero, backward, far := NamesPart{Part: 0, Next: 1, Hashes: []uint64{0}}, NamesPart{Part: 5, Next: 5}, NamesWanted{Part: names.Shards}
	none := Names{Changes: []names.Change{0}}
	for _, body := range [][]byte{zero.Append(nil), backward.Append(nil)} {
		if _, err := DecodeNamesPart(body); err == nil {
			t.Errorf("%x is taken", body)
		}
	}
	if _, err := DecodeNamesWanted(far.Append(nil)); err == nil {
		t.Error("a part that there is not can be wanted")
	}
	if _, err := DecodeNames(none.Append(nil)); err == nil {
		t.Error("no hash at all is taken")
	}
}

func FuzzNames(f *testing.F) {
	f.Fuzz(func(t *testing.T, body []byte) {
		if n, err := DecodeNames(body); err == nil {
			if again, err := DecodeNames(n.Append(nil)); err != nil || !reflect.DeepEqual(n, again) {
				t.Errorf("%+v becomes %+v, %v", n, again, err)
			}
		}
		if p, err := DecodeNamesPart(body); err == nil {
			if again, err := DecodeNamesPart(p.Append(nil)); err != nil || !reflect.DeepEqual(p, again) {
				t.Errorf("%+v becomes %+v, %v", p, again, err)
			}
		}
	})
}

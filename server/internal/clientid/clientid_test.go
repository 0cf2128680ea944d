package clientid

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"castgate/server/internal/table"
)

func TestClientIDs(t *testing.T) {
	ids, err := New(7)
	if err != nil {
		t.Fatal(err)
	}
	other, _ := New(7)
	seen := map[string]bool{}
	for range 10_000 {
		h := table.MakeHandle(uint8(rand.Uint32()), rand.Uint32N(table.MaxSlots), rand.Uint32N(1<<32-1)+1)
		id := ids.Of(h, 0)
		if seen[id] {
			t.Fatalf("id %s given twice", id)
		}
		seen[id] = true
		if got := ids.Parse(id); got != h {
			t.Fatalf("parse(%s) = %x, want %x", id, got, h)
		}
		if other.Parse(id) != 0 {
			t.Fatalf("another start accepts %s as its own", id)
		}
		if ids.Parse(strings.ToUpper(id)) != 0 && strings.ToUpper(id) != id {
			t.Fatalf("%s has two spellings", id)
		}
	}
	for _, bad := range []string{"", "x", strings.Repeat("g", 32), strings.Repeat("0", 31), strings.Repeat("0", 33), strings.Repeat("0", 32)} {
		if ids.Parse(bad) != 0 {
			t.Errorf("parse(%q) answered a handle", bad)
		}
	}
	// Ids of consecutive handles have nothing in common: about half the bits
	// differ.
	a, _ := hex.DecodeString(ids.Of(table.MakeHandle(0, 1, 1), 0))
	b, _ := hex.DecodeString(ids.Of(table.MakeHandle(0, 1, 2), 0))
	same := 0
	for i := range a {
		if a[i] == b[i] {
			same++
		}
	}
	if same > 6 {
		t.Errorf("%d of 16 bytes equal", same)
	}
}

func FuzzClientIDs(f *testing.F) {
	ids, err := New(1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ids.Of(table.MakeHandle(1, 2, 3), 0))
	f.Add("00000000000000000000000000000000")
	f.Fuzz(func(t *testing.T, id string) {
		if h := ids.Parse(id); h != 0 && ids.Of(h, 0) != id {
			t.Errorf("%q stands for %x, which is called %q", id, h, ids.Of(h, 0))
		}
	})
}

package names

import "testing"

// A hash depends on the key, on what the name is, and on each byte of it; it costs no
// memory.
func TestHasher(t *testing.T) {
	h, other := NewHasher([KeyLen]byte{1}), NewHasher([KeyLen]byte{2})
	seen := map[uint64]string{}
	for _, name := range []string{"", "a", "b", "a\x00", "0123456789abcdef", "0123456789abcdef\x00", "0123456789abcdefg", "0123456789abcdeg"} {
		for _, kind := range []Kind{UID, Group} {
			for i, one := range []*Hasher{h, other} {
				what := name + string(rune('0'+int(kind))) + string(rune('0'+i))
				hash := one.Hash(kind, name)
				if was, ok := seen[hash]; ok || hash == 0 || hash >= 1<<hashBits {
					t.Errorf("%q has the hash %x, as %q", what, hash, was)
				}
				if seen[hash] = what; one.Hash(kind, name) != hash {
					t.Errorf("%q has two hashes", what)
				}
			}
		}
	}
	if n := testing.AllocsPerRun(100, func() { h.Hash(UID, "a name of some length") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

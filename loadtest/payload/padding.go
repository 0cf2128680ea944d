package payload

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
)

// Padding fills a payload up to its size. It differs from one sequence number
// to the next.
type Padding uint8

const (
	// Alphabet repeats letters and digits. It compresses better than real
	// messages.
	Alphabet Padding = iota
	// Prices is JSON of prices, which compresses as such messages do: deflate
	// makes a third of a kilobyte of it.
	Prices
	Paddings
)

// payloadMagic begins a payload and identifies its padding.
var payloadMagic = [Paddings]string{Alphabet: "cg", Prices: "cp"}

const magicLen = 2

const padAlphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// endless is an endless text from which padding is cut.
type endless struct {
	text []byte // two copies, so that a whole round can begin anywhere in the first
	step int    // by how much later the next sequence number begins
}

// newEndless returns an endless repetition of a text.
func newEndless(text []byte, step int) *endless {
	return &endless{bytes.Repeat(text, 2), step}
}

// round is the length of the text.
func (r *endless) round() int { return len(r.text) / 2 }

// from is the round with which the padding of a sequence number begins. It is
// repeated if there is more to fill.
func (r *endless) from(seq uint32) []byte {
	start := int(uint64(seq) * uint64(r.step) % uint64(r.round()))
	return r.text[start : start+r.round()]
}

// Lengths of the texts: about 4 KiB of whole alphabets; and more than deflate's
// window, so that large payloads compress like small ones.
const (
	alphabets    = 4096 / len(padAlphabet)
	pricesLength = 48 << 10
	pricesStep   = 997
)

var texts = [Paddings]func() *endless{
	Alphabet: sync.OnceValue(func() *endless {
		return newEndless(bytes.Repeat([]byte(padAlphabet), alphabets), 1)
	}),
	Prices: sync.OnceValue(func() *endless {
		// The prices are always the same: another process may check them.
		r := rand.New(rand.NewPCG(1, 2))
		var b []byte
		for len(b) < pricesLength {
			b = fmt.Appendf(b, `{"type":"price","symbol":"%c%c%c","bid":%d.%02d,"ask":%d.%02d},`,
				'A'+r.IntN(26), 'A'+r.IntN(26), 'A'+r.IntN(26), r.IntN(500), r.IntN(100), r.IntN(500), r.IntN(100))
		}
		return newEndless(b, pricesStep)
	}),
}

// appendPadding appends n bytes.
func appendPadding(dst []byte, p Padding, seq uint32, n int) []byte {
	for round := texts[p]().from(seq); n > 0; {
		k := min(n, len(round))
		dst = append(dst, round[:k]...)
		n -= k
	}
	return dst
}

// isPadding compares every byte.
func isPadding(b []byte, p Padding, seq uint32) bool {
	for round := texts[p]().from(seq); len(b) > 0; {
		k := min(len(b), len(round))
		if !bytes.Equal(b[:k], round[:k]) {
			return false
		}
		b = b[k:]
	}
	return true
}

// paddingOf recognizes the padding of a payload by its first bytes.
func paddingOf(b []byte) (Padding, bool) {
	for p, magic := range payloadMagic {
		if len(b) >= magicLen && string(b[:magicLen]) == magic {
			return Padding(p), true
		}
	}
	return 0, false
}

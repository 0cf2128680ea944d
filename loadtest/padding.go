package loadtest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
)

// Padding is what fills a payload up to its size. It differs from one sequence
// number to the next.
type Padding uint8

const (
	// Alphabet is letters and digits, over and over. It compresses better than
	// anything that is really sent.
	Alphabet Padding = iota
	// Prices is a piece of JSON of prices, which compresses as such messages
	// do: with deflate a kilobyte to a third.
	Prices
	paddings
)

// payloadMagic begins a payload, and tells its padding.
var payloadMagic = [paddings]string{Alphabet: "cg", Prices: "cp"}

const magicLen = 2

const padAlphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// endless is a text without an end, that padding is cut from.
type endless struct {
	text []byte // twice, so that a whole round can begin anywhere in the first half
	step int    // by how much the next sequence number begins later
}

// newEndless makes one of a text.
func newEndless(text []byte, step int) *endless {
	return &endless{bytes.Repeat(text, 2), step}
}

// round is how long the text is.
func (r *endless) round() int { return len(r.text) / 2 }

// from is the round with which the padding of a sequence number begins, and
// which comes again and again if there is more to fill.
func (r *endless) from(seq uint32) []byte {
	start := int(uint64(seq) * uint64(r.step) % uint64(r.round()))
	return r.text[start : start+r.round()]
}

// Rounds of text of both kinds: about 4 KiB, of whole alphabets; and more than
// deflate's window, so that large payloads compress like small ones.
const (
	alphabets    = 4096 / len(padAlphabet)
	pricesLength = 48 << 10
	pricesStep   = 997
)

var texts = [paddings]func() *endless{
	Alphabet: sync.OnceValue(func() *endless {
		return newEndless(bytes.Repeat([]byte(padAlphabet), alphabets), 1)
	}),
	Prices: sync.OnceValue(func() *endless {
		// Always the same prices: the one who checks them may be another process.
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

// paddingOf tells from its first bytes how a payload is padded.
func paddingOf(b []byte) (Padding, bool) {
	for p, magic := range payloadMagic {
		if len(b) >= magicLen && string(b[:magicLen]) == magic {
			return Padding(p), true
		}
	}
	return 0, false
}

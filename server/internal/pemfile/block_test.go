package pemfile

import (
	"bytes"
	"encoding/pem"
	"strings"
	"testing"
)

// block is a block of n different bytes.
func block(kind string, n int) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes.Repeat([]byte{byte(n)}, n)})
}

// A text that is cut anywhere is an error, unless the cut is between two blocks.
// The rest of a block is never ignored.
func TestBlocksCutAnywhere(t *testing.T) {
	first, second, third := block("A", 60), block("B", 70), block("C", 5)
	text := append(append(bytes.Clone(first), second...), third...)
	for name, text := range map[string][]byte{"LF": text, "CRLF": bytes.ReplaceAll(text, []byte("\n"), []byte("\r\n"))} {
		between := map[int]int{0: 0} // length of the text -> blocks
		n := 0
		for line := range bytes.Lines(text) {
			n += len(line)
			if bytes.HasPrefix(line, end) {
				for at := n - len(line) + len(bytes.TrimSpace(line)); at <= n; at++ {
					between[at]++ // with and without its line end
				}
			}
		}
		count := 0
		for at := range len(text) + 1 {
			if _, ok := between[at]; ok && at > 0 && between[at-1] == 0 {
				count++
			}
			blocks, err := Blocks(text[:at])
			if between[at] == 0 && at > 0 {
				if err == nil {
					t.Fatalf("%s: truncated at %d of %d: %d blocks\n%s", name, at, len(text), len(blocks), text[:at])
				}
				continue
			}
			if err != nil || len(blocks) != count {
				t.Fatalf("%s: truncated at %d, after block %d: %d blocks, %v", name, at, count, len(blocks), err)
			}
		}
		if count != 3 {
			t.Errorf("%s: %d blocks", name, count)
		}
	}
}

func TestBlocks(t *testing.T) {
	a, b := string(block("A", 60)), string(block("B", 70))
	for text, want := range map[string]int{
		"":     0,
		"text": 0,
		"# An authority\n=====\n" + a + "\nAnother -- one\n-----\n" + b + "# the end": 2,
		a + "\r\n\r\n" + b: 2,
	} {
		if blocks, err := Blocks([]byte(text)); err != nil || len(blocks) != want {
			t.Errorf("%q: %d blocks, %v", text, len(blocks), err)
		}
	}
	for name, text := range map[string]string{
		"a byte changed":           strings.Replace(a, "PDw8", "PD*8", 1),
		"a line of another length": strings.Replace(a, "PDw8", "PDw", 1),
		"another end":              strings.Replace(a, "END A", "END B", 1),
		"one inside another":       strings.Replace(a, "\n", "\n"+b, 1),
		"no line end between":      strings.TrimSpace(a) + b,
		"text before a begin":      "x" + a,
		"an end too many":          a + "-----END A-----\n",
		"an end only":              "-----END A-----\n" + a,
		"damaged, then whole":      strings.Replace(a, "-----END", "----END", 1) + b,
		"a byte order mark":        "\uFEFF" + a,
	} {
		if text == a {
			t.Fatalf("%s: nothing was changed", name)
		}
		if blocks, err := Blocks([]byte(text)); err == nil {
			t.Errorf("%s: %d blocks", name, len(blocks))
		}
	}
}

// Blocks accepts only what encoding/pem decodes to the same blocks.
func FuzzBlocks(f *testing.F) {
	f.Add(append(block("A", 60), block("B", 70)...))
	f.Add([]byte("x\n-----BEGIN A-----\nA: b\n\nPDw8\n-----END A-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		blocks, err := Blocks(text)
		if err != nil {
			return
		}
		for i, b := range blocks {
			var want *pem.Block
			if want, text = pem.Decode(text); want == nil || want.Type != b.Type || !bytes.Equal(want.Bytes, b.Bytes) {
				t.Fatalf("block %d: %+v, want %+v", i, b, want)
			}
		}
		if more, _ := pem.Decode(text); more != nil {
			t.Fatalf("%+v was skipped", more)
		}
	})
}

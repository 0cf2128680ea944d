package codec

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// vectorLimit is the message limit of frame vectors that name none.
const vectorLimit = 4096

// frameVector is a file of testdata/frames. Lines:
//
//	# comment
//	client           the receiver is a client
//	max N            limit of a message in bytes
//	> HEX            input; XX*N is the byte XX N times
//	< EVENT          what has to come out: text, binary, ping or pong and a quoted
//	                 payload ("x"*N is N times x), or close CODE and a quoted reason
//	< open OP DATA   at the end a message is incomplete, with this payload so far
//	< pending        at the end a header or a control frame is incomplete
//
// The file's name begins with the outcome: ok or the code of the error.
type frameVector struct {
	name   string
	client bool
	max    int64
	input  []byte
	want   transcript
}

func readFrameVectors(tb testing.TB) []frameVector {
	tb.Helper()
	var all []frameVector
	for _, path := range vectorPaths(tb, "frames") {
		text, err := os.ReadFile(path)
		if err != nil {
			tb.Fatal(err)
		}
		v := frameVector{name: strings.TrimSuffix(filepath.Base(path), ".txt"), max: vectorLimit}
		outcome, _, _ := strings.Cut(v.name, "_")
		if outcome != "ok" {
			v.want.code = ws.StatusCode(number(tb, path, outcome))
		}
		v.want.rest = outcome == "ok"
		for line := range strings.Lines(string(text)) {
			v.parseLine(tb, path, strings.TrimSuffix(line, "\n"))
		}
		all = append(all, v)
	}
	return all
}

func (v *frameVector) parseLine(tb testing.TB, path, line string) {
	tb.Helper()
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "#":
	case "client":
		v.client = true
	case "max":
		v.max = number(tb, path, rest)
	case ">":
		for _, item := range strings.Fields(rest) {
			digits, times, repeated := strings.Cut(item, "*")
			b, err := hex.DecodeString(digits)
			if err != nil {
				tb.Fatalf("%s: %q: %v", path, item, err)
			}
			if repeated {
				b = bytes.Repeat(b, int(number(tb, path, times)))
			}
			v.input = append(v.input, b...)
		}
	case "<":
		v.parseEvent(tb, path, rest)
	default:
		tb.Fatalf("%s: unknown line %q", path, line)
	}
}

func (v *frameVector) parseEvent(tb testing.TB, path, event string) {
	tb.Helper()
	if event == "pending" {
		v.want.rest = false
		return
	}
	i := strings.IndexByte(event, '"')
	j := strings.LastIndexByte(event, '"')
	if i < 0 || j == i {
		tb.Fatalf("%s: no quoted text in %q", path, event)
	}
	text, err := strconv.Unquote(event[i : j+1])
	if err != nil {
		tb.Fatalf("%s: %q: %v", path, event, err)
	}
	if times := event[j+1:]; times != "" {
		text = strings.Repeat(text, int(number(tb, path, times[1:])))
	}
	if op, ok := strings.CutPrefix(event[:i], "open "); ok {
		v.want.open, v.want.rest = op+strconv.Quote(text), false
		return
	}
	v.want.events = append(v.want.events, event[:i]+strconv.Quote(text))
}

func vectorPaths(tb testing.TB, folder string) []string {
	tb.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", folder, "*.txt"))
	if err != nil || len(paths) == 0 {
		tb.Fatalf("no vectors in testdata/%s (%v)", folder, err)
	}
	return paths
}

func number(tb testing.TB, path, digits string) int64 {
	tb.Helper()
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		tb.Fatalf("%s: %v", path, err)
	}
	return n
}

// TestFrameVectors runs each vector whole, byte by byte and cut in two at
// every place (every 997th in long ones).
func TestFrameVectors(t *testing.T) {
	for _, v := range readFrameVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			got := record(t, v.input, v.client, v.max)
			// The vectors do not say how much is taken: all, but for close frames.
			v.want.taken = got.taken
			closed := len(got.events) > 0 && strings.HasPrefix(got.events[len(got.events)-1], "close ")
			if got.code == 0 && !closed && got.taken != len(v.input) {
				t.Errorf("took %d of %d bytes", got.taken, len(v.input))
			}
			if !got.equal(v.want) {
				t.Errorf("whole:\n got %.300v\nwant %.300v", got, v.want)
			}
			if got := recordBytes(t, v.input, v.client, v.max); !got.equal(v.want) {
				t.Errorf("byte by byte:\n got %.300v\nwant %.300v", got, v.want)
			}
			step := 1
			if len(v.input) > 1000 {
				step = 997
			}
			for cut := 0; cut <= len(v.input); cut += step {
				if got := record(t, v.input, v.client, v.max, cut); !got.equal(v.want) {
					t.Fatalf("cut at %d:\n got %.300v\nwant %.300v", cut, got, v.want)
				}
			}
		})
	}
}

// readHead reads a file of testdata/handshake: a first line with a comment,
// then the head, whose lines end in LF in the file, in CRLF for the test.
// Backslash escapes are Go's. The file's name begins with the status.
func readHead(tb testing.TB, path string) (head []byte, status int) {
	tb.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	comment, rest, _ := strings.Cut(string(text), "\n")
	if !strings.HasPrefix(comment, "# ") {
		tb.Fatalf("%s: no comment", path)
	}
	for line := range strings.Lines(rest) {
		s, err := strconv.Unquote(`"` + strings.ReplaceAll(strings.TrimSuffix(line, "\n"), `"`, `\"`) + `"`)
		if err != nil {
			tb.Fatalf("%s: %q: %v", path, line, err)
		}
		head = append(head, s+"\r\n"...)
	}
	digits, _, _ := strings.Cut(filepath.Base(path), "_")
	return head, int(number(tb, path, digits))
}

// goodOrigin is the only origin that the handshake vectors let in.
func goodOrigin(origin []byte) bool { return string(origin) == "http://good.example" }

func TestHandshakeVectors(t *testing.T) {
	for _, path := range vectorPaths(t, "handshake") {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			head, want := readHead(t, path)
			before := bytes.Clone(head)
			u := Upgrader{CheckOrigin: goodOrigin}
			answer, result := u.Upgrade([]byte("before"), head)
			if result.Status() != want {
				t.Errorf("result %v (%d), want %d", result, result.Status(), want)
			}
			if !bytes.HasPrefix(answer, []byte("beforeHTTP/1.1 "+strconv.Itoa(want)+" ")) {
				t.Errorf("answer %q", answer)
			}
			if !bytes.Equal(head, before) {
				t.Error("the head was changed")
			}
		})
	}
}

package codec

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// takeAll takes messages off what came in two parts, as a server would.
func takeAll(a, b []byte, next func(b []byte, scanned int) ([]byte, int, error)) (messages []string, err error) {
	var held []byte
	scanned := 0
	for _, part := range [][]byte{a, b} {
		held = append(held, part...)
		for {
			m, n, err := next(held, scanned)
			if err != nil {
				return messages, err
			}
			if n == 0 {
				scanned = len(held)
				break
			}
			messages = append(messages, string(m))
			held, scanned = held[n:], 0
		}
	}
	return messages, nil
}

func plainLine(limit int) func([]byte, int) ([]byte, int, error) {
	return func(b []byte, scanned int) ([]byte, int, error) { return NextLine(b, scanned, limit) }
}

func plainCounted(limit int) func([]byte, int) ([]byte, int, error) {
	return func(b []byte, _ int) ([]byte, int, error) { return NextCounted(b, limit) }
}

func TestNextLine(t *testing.T) {
	for _, row := range []struct {
		in     string
		want   []string
		tooBig bool
	}{
		{"hello\n", []string{"hello"}, false},
		{"a\r\nb\r\r\n\n\r\n", []string{"a", "b", "", ""}, false},
		{" a \n\tb", []string{" a "}, false},
		{strings.Repeat("x", 8) + "\r\n" + strings.Repeat("y", 8) + "\r", []string{strings.Repeat("x", 8)}, false},
		{strings.Repeat("x", 9), nil, true},
		{"ok\n" + strings.Repeat("x", 9) + "\n", []string{"ok"}, true},
		{strings.Repeat("\r", 20), nil, true},
	} {
		got, err := takeAll([]byte(row.in), nil, plainLine(8))
		if !slices.Equal(got, row.want) || errors.Is(err, errTooBig) != row.tooBig {
			t.Errorf("%q: %q, %v", row.in, got, err)
		}
	}
}

func TestNextCounted(t *testing.T) {
	b := AppendCounted(AppendCounted(AppendCounted(nil, []byte("one")), nil), []byte("12345678"))
	got, err := takeAll(b, []byte{0, 0}, plainCounted(8))
	if want := []string{"one", "", "12345678"}; !slices.Equal(got, want) || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for in, want := range map[string]error{
		"\x00\x00\x00\x00": errCount, "\x00\x00\x00\x03": errCount, "\x00\x00\x00\x0d": errTooBig, "\xff\xff\xff\xff": errTooBig,
		"\x00\x00\x00\x0c": nil, "\x00\x00\x00": nil,
	} {
		if m, n, err := NextCounted([]byte(in), 8); n != 0 || m != nil || !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("%x: %q, %d, %v", in, m, n, err)
		}
	}
}

func FuzzPlain(f *testing.F) {
	f.Add([]byte("a\r\nbc\n\nd"), 3)
	f.Add([]byte("\x00\x00\x00\x05x\x00\x00\x00\x04\x00"), 6)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		cut = min(max(cut, 0), len(b))
		for name, next := range map[string]func([]byte, int) ([]byte, int, error){"line": plainLine(10), "counted": plainCounted(10)} {
			whole, err1 := takeAll(b, nil, next)
			parts, err2 := takeAll(b[:cut:cut], b[cut:], next)
			if !slices.Equal(whole, parts) || (err1 == nil) != (err2 == nil) {
				t.Errorf("%s of %q cut at %d: %q, %v and %q, %v", name, b, cut, whole, err1, parts, err2)
			}
		}
	})
}

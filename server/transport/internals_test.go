package transport

import (
	"bytes"
	"log/slog"
	"reflect"
	"strings"
	"testing"
)

// A Go version that names or shapes these fields in another way makes connections cost
// twice as much and removes two limits. That must not go unnoticed.
func TestInternalsAreFound(t *testing.T) {
	if !InternalsFound() {
		t.Error("this Go's tls.Conn has no buffers where findInternals looks")
	}
	buffer, reader, secret := reflect.TypeFor[bytes.Buffer](), reflect.TypeFor[bytes.Reader](), reflect.TypeFor[[]byte]()
	field := func(name string, typ reflect.Type) reflect.StructField {
		return reflect.StructField{Name: name, PkgPath: "crypto/tls", Type: typ}
	}
	half := reflect.StructOf([]reflect.StructField{field("seq", reflect.TypeFor[[8]byte]()), field("trafficSecret", secret)})
	for _, test := range []struct {
		hand  string
		raw   reflect.Type
		in    reflect.Type
		found bool
	}{
		{"hand", buffer, half, true},
		{"hands", buffer, half, false}, {"hand", reader, half, false}, {"hand", buffer, reflect.PointerTo(half), false},
		{"hand", buffer, reflect.StructOf([]reflect.StructField{field("trafficSecrets", secret)}), false},
		{"hand", buffer, reflect.StructOf([]reflect.StructField{field("trafficSecret", reflect.TypeFor[string]())}), false},
	} {
		typ := reflect.StructOf([]reflect.StructField{field("in", test.in), field("rawInput", test.raw), field("input", reader), field(test.hand, buffer)})
		if findInternals(typ).found != test.found {
			t.Errorf("%v: found: %v", typ, !test.found)
		}
	}
}

// forgetInternals makes internalsOf fail until the end of the test.
func forgetInternals(t *testing.T) {
	were := offsets
	offsets = layout{}
	t.Cleanup(func() { offsets = were })
}

// Limits that are missing are in the log of a start.
func TestMissingInternalsAreReported(t *testing.T) {
	var log bytes.Buffer
	WarnOfInternals(slog.New(slog.NewTextHandler(&log, nil)))
	if log.Len() > 0 {
		t.Errorf("a warning although nothing is missing: %s", log.String())
	}
	forgetInternals(t)
	WarnOfInternals(slog.New(slog.NewTextHandler(&log, nil)))
	if n := strings.Count(log.String(), `level=WARN msg="crypto/tls of this Go version lacks fields`); n != 1 || InternalsFound() {
		t.Errorf("%d warnings, want 1: %s", n, log.String())
	}
}

package main

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/knob"
)

func TestReadKeys(t *testing.T) {
	file := writeFile(t, "keys", "# of the backend\nalpha\n\n  beta  \r\n#gamma\n", 0o600)
	keys, warnings, err := readKeys([]string{"first", "@" + file}, knob.ReadLimited)
	if want := []string{"first", "alpha", "beta"}; err != nil || !reflect.DeepEqual(keys, want) {
		t.Errorf("keys %q, %v; want %q", keys, err, want)
	}
	if len(warnings) != 0 {
		t.Errorf("warnings %q about a private file", warnings)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, warnings, err = readKeys([]string{"@" + file}, knob.ReadLimited); err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "0640") {
		t.Errorf("warnings %q, %v; want one that names mode 0640", warnings, err)
	}
}

func TestWrongKeys(t *testing.T) {
	const secret = "tell-nobody"
	empty := writeFile(t, "empty", "# nothing\n", 0o600)
	bad := writeFile(t, "bad", "good\n"+secret+" \xff\n", 0o600)
	many := make([]string, keysMax+1)
	for i := range many {
		many[i] = "k"
	}
	for name, values := range map[string][]string{
		"holds no key":       {"@" + empty},
		":2: the key has":    {"@" + bad},
		"key 2 has":          {"good", secret + "\x01"},
		"is longer than 512": {strings.Repeat("x", 513)},
		"more than 256":      many,
	} {
		_, _, err := readKeys(values, knob.ReadLimited)
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), secret) {
			t.Errorf("want an error with %q and without the key: %v", name, err)
		}
	}
}

// A short key, which may be the rest of a longer one, causes a warning if other
// hosts can try.
func TestShortKeys(t *testing.T) {
	const short, long = "fifteen-letters", "sixteen-letters!"
	file := writeFile(t, "keys", long+"\n"+long[:15]+"\n", 0o600)
	for _, tt := range []struct {
		control, keys, want string
	}{
		{"0.0.0.0:7273", long, ""},
		{"0.0.0.0:7273", short, "control-key: 1 of 1 keys has fewer than 16 characters"},
		{":7273", long + "," + short, "control-key: 1 of 2 keys has fewer than 16"},
		{"gateway.example:7273", "a,b," + long, "control-key: 2 of 3 keys have fewer than 16"},
		{"[::]:7273", "@" + file, "control-key: 1 of 2 keys has fewer than 16"},
		{"127.0.0.1:7273", short, ""},
		{"[::1]:7273", short, ""},
		{"localhost:7273", short, ""},
		{"unix:/run/castgate.sock", short, ""},
	} {
		e, err := resolved(t, []string{"--control", tt.control, "--control-key", tt.keys}, nil)
		if err != nil {
			t.Errorf("%+v: %v", tt, err)
			continue
		}
		got := strings.Join(e.warnings, "; ")
		if !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" || strings.Contains(got, "letters") {
			t.Errorf("%+v: %q", tt, got)
		}
	}
	code, out, errs := runIn([]string{"config", "check", "--control", ":7273", "--control-key", short}, nil, "")
	if code != 0 || out != "ok\n" || !strings.HasPrefix(errs, "castgate: warning: control-key: 1 of 1 keys") {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
}

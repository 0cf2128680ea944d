package keys

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline/linetest"
	"castgate/cmd/castgate/internal/knob"
)

func TestReadKeys(t *testing.T) {
	file := linetest.File(t, "keys", "# of the backend\nalpha\n\n  beta  \r\n#gamma\n", 0o600)
	keys, warnings, err := Read([]string{"first", "@" + file}, knob.ReadLimited)
	if want := []string{"first", "alpha", "beta"}; err != nil || !reflect.DeepEqual(keys, want) {
		t.Errorf("keys %q, %v; want %q", keys, err, want)
	}
	if len(warnings) != 0 {
		t.Errorf("warnings %q about a private file", warnings)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, warnings, err = Read([]string{"@" + file}, knob.ReadLimited); err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "0640") {
		t.Errorf("warnings %q, %v; want one that names mode 0640", warnings, err)
	}
}

func TestWrongKeys(t *testing.T) {
	const secret = "tell-nobody"
	empty := linetest.File(t, "empty", "# nothing\n", 0o600)
	bad := linetest.File(t, "bad", "good\n"+secret+" \xff\n", 0o600)
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
		_, _, err := Read(values, knob.ReadLimited)
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), secret) {
			t.Errorf("want an error with %q and without the key: %v", name, err)
		}
	}
}

package access

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

func TestParseKeys(t *testing.T) {
	one, secret, err := NewKey("back.end_1@x-y", ScopePush|ScopeRead)
	if err != nil || !strings.HasPrefix(secret, "castgate_") || len(secret) < 50 || one.Hash != sha256.Sum256([]byte(secret)) {
		t.Fatalf("%+v %d %v", one, len(secret), err)
	}
	two, again, err := NewKey("ops", AllScopes)
	if err != nil || again == secret {
		t.Fatal("two keys are the same")
	}
	if strings.Contains(one.Line(), secret) {
		t.Error("the line holds the secret")
	}
	keys, err := ParseKeys([]byte("# of the backend\n\n" + one.Line() + "\r\n\t" + strings.ReplaceAll(two.Line(), " ", "  \t") + "\n#"))
	if err != nil || len(keys) != 2 || keys[0] != one || keys[1] != two {
		t.Errorf("%+v, %v", keys, err)
	}
	if keys, err := ParseKeys(nil); err != nil || len(keys) != 0 {
		t.Errorf("an empty file: %v, %v", keys, err)
	}
	for _, name := range []string{"a b", "", "-", "SIGHUP", "gatewayworker", "control-key-1"} { // all but the first two have another meaning in the audit log
		if _, _, err := NewKey(name, ScopePush); err == nil {
			t.Errorf("the name %q was taken", name)
		}
	}
}

func TestWrongKeyLines(t *testing.T) {
	hash := "sha256:" + strings.Repeat("ab", 32)
	const secret = "castgate_tell-nobody"
	for line, want := range map[string]string{
		secret:                                            "1 fields",
		"push backend " + secret:                          "third field",
		"push backend " + hash + "00":                     "third field",
		"push backend " + hash[:len(hash)-1]:              "third field",
		"push backend sha256:" + strings.Repeat("zz", 32): "third field",
		"push backend " + hash[7:]:                        "third field",
		"shout backend " + hash:                           "first field",
		"push,,read backend " + hash:                      "first field",
		"push " + strings.Repeat("n", 65) + " " + hash:    "second field",
		"push back/end " + hash:                           "second field",
		"push SIGHUP " + hash:                             "second field",
		"push a " + hash + " x":                           "fourth field",
		"push a " + hash + " 2026-01-31T12:00:00Z x":      "5 fields",
		"push b sha256:" + strings.Repeat("0F", 32):       "an earlier line has the same hash",
	} {
		file := "push good sha256:" + strings.Repeat("0f", 32) + "\n\n" + line + "\n"
		_, err := ParseKeys([]byte(file))
		if err == nil || !strings.HasPrefix(err.Error(), "line 3: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v, want %q", line, err, want)
		}
	}
	var many strings.Builder
	for i := range MaxKeys + 1 {
		sum := sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		fmt.Fprintf(&many, "read k%d sha256:%s\n", i, hex.EncodeToString(sum[:]))
	}
	if _, err := ParseKeys([]byte(many.String())); err == nil || !strings.Contains(err.Error(), "more than 256") {
		t.Errorf("many keys: %v", err)
	}
}

// TestKeysOfOneName: two keys may have the same name while callers switch over,
// but no more.
func TestKeysOfOneName(t *testing.T) {
	line := func(n byte) string { return Key{Name: "backend", Scopes: ScopePush, Hash: [32]byte{n}}.Line() + "\n" }
	keys, err := ParseKeys([]byte(line(1) + line(2)))
	if err != nil || len(keys) != 2 || keys[0].Fingerprint() != "010000000000" {
		t.Fatalf("%v, %v", keys, err)
	}
	if _, err := ParseKeys([]byte(line(1) + line(2) + line(3))); err == nil || !strings.Contains(err.Error(), "line 3: the name backend already has 2 keys") {
		t.Errorf("a third one: %v", err)
	}
}

func TestScopes(t *testing.T) {
	for text, want := range map[string]Scope{"read": ScopeRead, "push,read": ScopePush | ScopeRead, "manage,push,read,read": AllScopes} {
		got, err := ParseScopes(text)
		if err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
		if back, err := ParseScopes(got.String()); err != nil || back != got {
			t.Errorf("%s is written %s", text, got)
		}
	}
	for _, text := range []string{"", "all", "read ", "READ", "read;push"} {
		if _, err := ParseScopes(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

// FuzzParseKeys: accepted keys are written as lines that parse to the same
// keys.
func FuzzParseKeys(f *testing.F) {
	f.Add([]byte("# c\npush,read a sha256:" + strings.Repeat("0f", 32) + "\n"))
	f.Add([]byte("read a\x00b sha256:" + strings.Repeat("zz", 32)))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := ParseKeys(text)
		if err != nil {
			return
		}
		var lines strings.Builder
		for _, k := range keys {
			lines.WriteString(k.Line() + "\n")
		}
		back, err := ParseKeys([]byte(lines.String()))
		if err != nil || fmt.Sprint(back) != fmt.Sprint(keys) {
			t.Errorf("%q reads back as %v, %v", lines.String(), back, err)
		}
	})
}

package gatewayworker

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// goldenCases are what PHP itself made of random and chosen input, in hex;
// testdata/golden.php wrote them. CASTGATE_GOLDEN names a larger file of the kind.
type goldenCases struct {
	Query  [][2]string
	Merge  [][3]string
	Shared [][3]string
	Text   [][2]*string
	Keys   [][2]json.RawMessage
}

func golden(t *testing.T) (g goldenCases) {
	t.Helper()
	name := os.Getenv("CASTGATE_GOLDEN")
	if name == "" {
		name = "testdata/golden.json"
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Query) < 100 || len(g.Merge) < 100 || len(g.Text) < 100 || len(g.Keys) < 30 {
		t.Fatalf("%d, %d, %d, %d cases", len(g.Query), len(g.Merge), len(g.Text), len(g.Keys))
	}
	return g
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGoldenQuery(t *testing.T) {
	for _, c := range golden(t).Query {
		query, want := unhex(t, c[0]), unhex(t, c[1])
		if got := AppendQuery(nil, string(query)); !bytes.Equal(got, want) {
			t.Errorf("%q: %q, PHP %q", query, got, want)
		}
	}
}

func TestGoldenMerge(t *testing.T) {
	for _, c := range golden(t).Merge {
		old, update, want := unhex(t, c[0]), unhex(t, c[1]), unhex(t, c[2])
		if got, err := MergeSession(nil, old, update, 1<<20); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q, %q: %q, PHP %q, %v", old, update, got, want, err)
		}
	}
}

// TestGoldenShared merges sessions with references and shared objects.
func TestGoldenShared(t *testing.T) {
	references := 0
	for _, c := range golden(t).Shared {
		old, update, want := unhex(t, c[0]), unhex(t, c[1]), unhex(t, c[2])
		if bytes.Contains(old, []byte("R:")) || bytes.Contains(old, []byte("r:")) {
			references++
		}
		merged, err := MergeSession(nil, old, update, 1<<20)
		if err != nil {
			t.Errorf("%q, %q: %v", old, update, err)
			continue
		}
		if got, _, err := AppendText(nil, merged); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%q, %q: %s, PHP %s, %v", old, update, got, want, err)
		}
	}
	if references < 50 {
		t.Errorf("%d sessions with references", references)
	}
}

func TestGoldenText(t *testing.T) {
	for _, c := range golden(t).Text {
		value := unhex(t, *c[0])
		got, null, err := AppendText(nil, value)
		if c[1] == nil {
			if err == nil {
				t.Errorf("%q: %q, PHP has none", value, got)
			}
			continue
		}
		if want := unhex(t, *c[1]); err != nil || !bytes.Equal(got, want) || null != (string(value) == "N;") {
			t.Errorf("%q: %q, PHP %q, %v", value, got, want, err)
		}
	}
}

func TestGoldenKeys(t *testing.T) {
	var d Decoder
	for _, c := range golden(t).Keys {
		var source string
		var keys []string
		if json.Unmarshal(c[0], &source) != nil || json.Unmarshal(c[1], &keys) != nil {
			t.Fatalf("%s", c)
		}
		text := unhex(t, source)
		if validJSON(text, nil) != (string(c[1]) != "null") {
			t.Errorf("%q: valid %v", text, validJSON(text, nil))
		}
		got := d.Keys(text)
		if len(got) != len(keys) {
			t.Errorf("%q: %q, PHP %q", text, got, keys)
			continue
		}
		for i, key := range keys {
			if want := unhex(t, key); !bytes.Equal(got[i], want) {
				t.Errorf("%q: key %d %q, PHP %q", text, i, got[i], want)
			}
		}
	}
}

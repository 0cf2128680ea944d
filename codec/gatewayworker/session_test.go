package gatewayworker

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

// nested is an array in an array, levels deep.
func nested(levels int) string {
	return strings.Repeat(`a:1:{i:0;`, levels) + "N;" + strings.Repeat("}", levels)
}

// doubling is an array whose every element is twice as large as the one before.
func doubling(n int) string {
	s := fmt.Sprintf("a:%d:{i:0;a:1:{i:0;N;}", n)
	for i, slot := 1, 2; i < n; i++ {
		s += fmt.Sprintf("i:%d;a:2:{i:0;R:%d;i:1;R:%d;}", i, slot, slot)
		if slot++; i == 1 {
			slot = 4
		}
	}
	return s + "}"
}

func TestMergeSession(t *testing.T) {
	for _, c := range []struct{ old, update, want string }{
		{"", "anything", "anything"},
		{"0", `a:1:{i:0;N;}`, `a:1:{i:0;N;}`},
		{`a:0:{}`, `a:1:{i:0;N;}`, `a:1:{i:0;N;}`},
		{`a:1:{i:0;N;}`, `a:0:{}`, `a:1:{i:0;N;}`},
		{`a:2:{s:1:"7";i:1;i:7;i:2;}`, `a:0:{}`, `a:1:{i:7;i:2;}`},
		{`a:1:{s:1:"7";i:1;}`, `a:1:{i:7;i:2;}`, `a:1:{i:7;i:2;}`},
		{`a:1:{s:2:"07";i:1;}`, `a:1:{i:7;i:2;}`, `a:2:{s:2:"07";i:1;i:7;i:2;}`},
		{`a:1:{s:1:"a";a:1:{i:0;i:1;}}`, `a:1:{s:1:"a";i:5;}`, `a:1:{s:1:"a";i:5;}`},
		{`a:1:{s:1:"a";i:5;}`, `a:1:{s:1:"a";a:1:{i:0;i:1;}}`, `a:1:{s:1:"a";a:1:{i:0;i:1;}}`},
		{`a:1:{s:1:"o";O:1:"A":1:{s:1:"p";a:1:{i:0;i:1;}}}`, `a:1:{s:1:"o";a:1:{i:1;i:2;}}`, `a:1:{s:1:"o";a:1:{i:1;i:2;}}`},
		{`a:2:{s:1:"c";C:3:"ABC":4:{}";}}s:1:"e";E:3:"A:B";}`, `a:1:{i:1;d:-INF;}`, `a:3:{s:1:"c";C:3:"ABC":4:{}";}}s:1:"e";E:3:"A:B";i:1;d:-INF;}`},
		{"a:1:{s:3:\"\";}\";O:3:\"A\x00B\":0:{}}", `a:0:{}`, "a:1:{s:3:\"\";}\";O:3:\"A\x00B\":0:{}}"},
		{`a:1:{i:0;N;}left`, `a:1:{i:1;N;}over`, `a:2:{i:0;N;i:1;N;}`},
		{`a:1:{i:007;N;}`, `a:1:{i:-0;b:1;}`, `a:2:{i:7;N;i:0;b:1;}`},
		{nested(100), nested(100), nested(100)},
		{`a:2:{i:0;O:1:"A":0:{}i:1;r:2;}`, `a:1:{i:0;N;}`, `a:2:{i:0;N;i:1;O:1:"A":0:{}}`},
		{`a:3:{i:0;a:1:{i:0;s:1:"x";}i:1;R:2;i:2;R:3;}`, `a:1:{i:0;a:1:{i:0;N;}}`, `a:3:{i:0;a:1:{i:0;N;}i:1;a:1:{i:0;s:1:"x";}i:2;s:1:"x";}`},
		{nested(MaxNesting), nested(MaxNesting), nested(MaxNesting)},
	} {
		got, err := MergeSession([]byte("before"), []byte(c.old), []byte(c.update), 1<<20)
		if err != nil || string(got) != "before"+c.want {
			t.Errorf("%s with %s: %s, %v; expected %s", c.old, c.update, got, err, c.want)
		}
	}
}

func TestMergeSessionRefuses(t *testing.T) {
	array := `a:1:{i:0;N;}`
	for bad, want := range map[string]error{
		"i:1;": ErrNotArray, "N;": ErrNotArray, `s:1:"a";`: ErrNotArray, `O:1:"A":0:{}`: ErrNotArray, "b:0;": ErrNotArray,
		`a:1:{i:0;R:1;}`: ErrReference, `a:1:{i:0;O:1:"A":1:{s:1:"p";r:2;}}`: ErrReference, `a:1:{i:0;O:1:"A":1:{s:1:"p";R:1;}}`: ErrReference,
		`a:1:{i:0;R:0;}`: ErrReference, `a:1:{i:0;R:2;}`: ErrReference, `a:1:{i:0;R:-1;}`: ErrReference, `a:1:{i:0;R:x;}`: ErrReference, doubling(30): ErrTooLarge,
		nested(MaxNesting + 1): ErrNesting, strings.Repeat(`a:1:{i:0;`, 100000): ErrNesting,
		strings.Repeat(`O:1:"A":1:{i:0;`, 60000): ErrNesting, "a:1:{i:0;" + strings.Repeat(`O:1:"A":1:{i:0;`, 60000): ErrNesting,
		"garbage": ErrSerialized, "opaque-bytes": ErrSerialized, "a": ErrSerialized, "a:": ErrSerialized, "a:1": ErrSerialized, "a:1:": ErrSerialized, "a:1:{": ErrSerialized,
		"a:1:{i:0;N;": ErrSerialized, "a:2:{i:0;N;}": ErrSerialized, "a:0:{i:0;N;}": ErrSerialized, "a:-1:{}": ErrSerialized, "a:+1:{i:0;N;}": ErrSerialized,
		"a:99999999:{}": ErrSerialized, "a:99999999999999999999:{}": ErrSerialized, "a:1:{N;N;}": ErrSerialized, "a:1:{b:1;N;}": ErrSerialized, "a:1:{d:1;N;}": ErrSerialized,
		`a:1:{i:0;s:5:"abc";}`: ErrSerialized, `a:1:{i:0;s:2:"abc";}`: ErrSerialized, `a:1:{i:0;S:1:"\61";}`: ErrSerialized, `a:1:{i:0;b:2;}`: ErrSerialized,
		`a:1:{i:0;i:;}`: ErrSerialized, `a:1:{i:0;i: 5;}`: ErrSerialized, `a:1:{i:0;d:;}`: ErrSerialized, `a:1:{i:0;d:0x1;}`: ErrSerialized, `a:1:{i:0;d:inf;}`: ErrSerialized,
		`a:1:{i:0;E:3:"A:B"}`: ErrSerialized, `a:1:{i:0;C:1:"A":9:{}}`: ErrSerialized, `a:1:{i:0;O:1:"A":1:{}}`: ErrSerialized, `a:1:{i:0;x:1;}`: ErrSerialized,
	} {
		for _, sides := range [][2]string{{bad, array}, {array, bad}} {
			dst := []byte("before")
			got, err := MergeSession(dst, []byte(sides[0]), []byte(sides[1]), 1<<20)
			if bad == nested(MaxNesting+1) && err == nil {
				t.Errorf("%d levels taken", MaxNesting+1)
			}
			if !errors.Is(err, want) || string(got) != "before" {
				t.Errorf("%.60q, %.60q: %q, %v; expected %v", sides[0], sides[1], got, err, want)
			}
		}
	}
	if _, err := MergeSession(nil, []byte(array), []byte(array), 2*len(array)-1); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	many := fmt.Sprintf("a:%d:{%s}", MaxElements, strings.Repeat("i:0;N;", MaxElements))
	if _, err := MergeSession(nil, []byte(array), []byte(many), 10<<20); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

// FuzzMergeSession: a merged session is one, merging the same again and again
// changes nothing, and neither side is written to.
func FuzzMergeSession(f *testing.F) {
	for _, v := range vectors(f) {
		if v.Direction == "gateway->client" {
			f.Add(v.bytes[4:], []byte(`a:2:{s:1:"l";a:1:{i:0;N;}i:1;O:3:"Foo":1:{s:1:"p";i:1;}}`))
		}
	}
	f.Add([]byte(nested(3)), []byte(nested(5)))
	f.Add([]byte(`a:3:{i:0;a:1:{i:0;s:1:"x";}i:1;R:2;i:2;r:3;}`), []byte(doubling(4)))
	f.Fuzz(func(t *testing.T, old, update []byte) {
		if EmptyName(old) {
			return
		}
		oldBefore, updateBefore := bytes.Clone(old), bytes.Clone(update)
		merged, err := MergeSession(nil, old, update, 1<<16)
		if !bytes.Equal(old, oldBefore) || !bytes.Equal(update, updateBefore) {
			t.Fatal("a side was changed")
		}
		if err != nil {
			return
		}
		second, err := MergeSession(nil, merged, update, 1<<17) // may print numbers that were not canonical anew
		third, err2 := MergeSession(nil, second, update, 1<<17)
		if err != nil || err2 != nil || !bytes.Equal(second, third) {
			t.Errorf("%q with %q is %q, then %q, then %q, %v, %v", old, update, merged, second, third, err, err2)
		}
		if _, _, err := AppendText(nil, merged); errors.Is(err, ErrSerialized) || errors.Is(err, ErrReference) {
			t.Errorf("%q with %q is %q: %v", old, update, merged, err)
		}
	})
}

// However long the old session is, a merge lets others have their turn in each of
// its passes, and ends where it is told to.
func TestMergeSessionPaced(t *testing.T) {
	const n = 10_000
	var old strings.Builder
	fmt.Fprintf(&old, "a:%d:{", n)
	for i := range n {
		fmt.Fprintf(&old, "i:%d;i:1;", i)
	}
	old.WriteString("}")
	told := 0
	d := Decoder{Pace: func(bytes int) bool { told += bytes; return true }}
	if _, err := d.MergeSession(nil, []byte(old.String()), []byte(`a:1:{s:1:"k";N;}`), 1<<20); err != nil {
		t.Fatal(err)
	}
	// It is read, its keys are noted, and it is written: three passes, but for the last
	// values of each.
	if least := 3 * (n - paceValues) * valueBytes; told < least {
		t.Errorf("%d bytes were told of, want %d", told, least)
	}
	for most := 0; most < told; most += told / 7 {
		left := most
		d.Pace = func(bytes int) bool { left -= bytes; return left >= 0 }
		if _, err := d.MergeSession(nil, []byte(old.String()), []byte(`a:1:{s:1:"k";N;}`), 1<<20); !errors.Is(err, ErrStopped) {
			t.Errorf("after %d of %d bytes: %v", most, told, err)
		}
	}
}

// The bytes of a session's values count however few the values are, and are not
// copied in one go.
func TestMergeSessionOfOneLongValue(t *testing.T) {
	const size = 1 << 20
	old := "a:1:{s:1:\"v\";s:" + strconv.Itoa(size) + ":\"" + strings.Repeat("x", size) + "\";}"
	update := "a:1:{s:1:\"n\";i:1;}"
	told, most := 0, 0
	d := Decoder{Pace: func(bytes int) bool { told += bytes; most = max(most, bytes); return true }}
	merged, err := d.MergeSession(nil, []byte(old), []byte(update), 2<<20)
	if want := "a:2:{" + old[len("a:1:{"):len(old)-1] + "s:1:\"n\";i:1;}"; err != nil || string(merged) != want {
		t.Fatalf("%d bytes, want %d: %v", len(merged), len(want), err)
	}
	if told < size || most > 100_000 {
		t.Errorf("%d bytes are told of, at most %d at once", told, most)
	}
	for most := size / 10; most < told; most += size / 10 {
		left := most
		d.Pace = func(bytes int) bool { left -= bytes; return left >= 0 }
		if _, err := d.MergeSession(nil, []byte(old), []byte(update), 2<<20); !errors.Is(err, ErrStopped) {
			t.Errorf("stopped after %d bytes: %v", most, err)
		}
	}
}

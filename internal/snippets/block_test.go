package snippets

import (
	"reflect"
	"testing"
)

// Blocks are found between fences and by their indent, with what names them.
func TestParse(t *testing.T) {
	const text = "# One\n\n    a\n\n      b\n\ntext\n    continued, no block\n\n```sh\nc\n    d\n```\n\n## Two\n\n    e\n"
	want := []Block{
		{"x.md", "One", 1, "", 3, "a\n\n  b\n"},
		{"x.md", "One", 2, "sh", 11, "c\n    d\n"},
		{"x.md", "Two", 1, "", 17, "e\n"},
	}
	if got := parse("x.md", text); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if got, want := want[1].Name(), "x.md | One | 2"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// The documents of the project have many.
func TestAll(t *testing.T) {
	all, err := All("../..")
	if err != nil || len(all) < 80 {
		t.Errorf("%d blocks, %v", len(all), err)
	}
}

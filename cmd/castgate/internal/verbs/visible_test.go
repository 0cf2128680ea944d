package verbs

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline"
	"castgate/cmd/castgate/internal/process"
)

// commanding contains what a terminal would obey or be deceived by: DEL, CSI as
// one character, a right-to-left override, a line separator and a tag.
const commanding = "a\u007fb\u009b31mc\u202ed\u2028e\U000e0001f"

func TestTerminalGetsNoCommands(t *testing.T) {
	row, err := json.Marshal(map[string]string{"uid": commanding, "family": "👩\u200d👧 ünï"})
	if err != nil {
		t.Fatal(err)
	}
	row = bytes.ReplaceAll(row, []byte(`\u2028`), []byte("\u2028")) // as our own encoder writes it
	for _, line := range [][]string{
		{"client", "k"},
		{"clients", "--ndjson"},
		{"stats"},
		{"batch"},
	} {
		address, _ := fakeControl(t, http.StatusOK, string(row)+"\n")
		for _, terminal := range []bool{true, false} {
			var out, errs bytes.Buffer
			p := process.Process{Stdin: strings.NewReader("{}\n"), Stdout: &out, Stderr: &errs, Terminal: terminal}
			if code := commandline.Run(append(line, "--control", address), p, func([]string) any { return new(verbGrammar) }); code != 0 {
				t.Fatalf("%v: exit %d, %s", line, code, errs.String())
			}
			has := strings.ContainsAny(out.String(), "\u007f\u009b\u202e\u2028\U000e0001")
			if has == terminal {
				t.Errorf("%v, terminal %v: printed %q", line, terminal, out.String())
			}
			var got map[string]string
			if err := json.Unmarshal(out.Bytes(), &got); err != nil || got["uid"] != commanding || got["family"] != "👩\u200d👧 ünï" {
				t.Errorf("%v, terminal %v: %v, means %q", line, terminal, err, got)
			}
			if terminal && !strings.Contains(out.String(), "👩\u200d👧 ünï") {
				t.Errorf("%v: what harms nobody is escaped: %q", line, out.String())
			}
		}
	}
}

// An error may also contain text from others.
func TestErrorsAreVisible(t *testing.T) {
	address, _ := fakeControl(t, http.StatusBadRequest, `{"code":"no","detail":"`+"x\u009b2Jy\u202ez"+`"}`)
	_, _, errs := runVerb([]string{"stats", "--control", address}, nil, "")
	if want := `castgate: x\u009b2Jy\u202ez (no, 400)` + "\n"; errs != want {
		t.Errorf("%q, want %q", errs, want)
	}
}

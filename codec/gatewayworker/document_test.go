package gatewayworker

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The document shows some of the captured bytes. They must be those of the
// capture, and every capture that it names must exist.
func TestProtocolDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/gatewayworker-protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	captured := make(map[string]string)
	for _, v := range vectors(t) {
		captured[v.Name] = v.Hex
	}
	names := regexp.MustCompile("`((?:api|auth|event|gateway|register|worker_connect|ws)\\.[a-zA-Z0-9_.]+)`").FindAllSubmatch(text, -1)
	if len(names) < 15 {
		t.Errorf("only %d captures are named", len(names))
	}
	for _, m := range names {
		if _, ok := captured[string(m[1])]; !ok {
			t.Errorf("%s is not among the captures", m[1])
		}
	}
	rows := regexp.MustCompile("(?m)^\\| `([a-zA-Z0-9_.]+)` \\| `([0-9a-f]+)` \\|$").FindAllSubmatch(text, -1)
	if len(rows) < 5 {
		t.Errorf("only %d captures are shown", len(rows))
	}
	for _, m := range rows {
		if captured[string(m[1])] != string(m[2]) {
			t.Errorf("%s is %s in the document, %s in the capture", m[1], m[2], captured[string(m[1])])
		}
	}
	spaced := regexp.MustCompile(`(?m)^    ([0-9a-f]+(?: [0-9a-f]+)+)$`).FindSubmatch(text)
	if spaced == nil || strings.ReplaceAll(string(spaced[1]), " ", "") != captured["api.sendToClient.request"] {
		t.Errorf("the frame shown by its fields is not api.sendToClient.request: %s", spaced)
	}
}

// Each command has its row in section 3.
func TestProtocolDocumentHasCommands(t *testing.T) {
	text, err := os.ReadFile("../../docs/gatewayworker-protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for n := range 256 {
		name := Command(n).String()
		if name == "UNKNOWN" {
			continue
		}
		rows++
		if row := regexp.MustCompile(`(?m)^\| ` + strconv.Itoa(n) + ` \| ` + name + ` \|`); !row.Match(text) {
			t.Errorf("no row of command %d, %s", n, name)
		}
	}
	if rows < 25 {
		t.Errorf("only %d commands have a name", rows)
	}
}

// Comments of this package name sections of the document by number alone.
func TestSectionsExist(t *testing.T) {
	text, err := os.ReadFile("../../docs/gatewayworker-protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`sections? (\d+(?:\.\d+)?)(?: (?:and|to) (\d+(?:\.\d+)?))?`)
	found := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllSubmatch(source, -1) {
			for _, section := range m[1:] {
				if section == nil {
					continue
				}
				found++
				if heading := regexp.MustCompile(`(?m)^#+ ` + regexp.QuoteMeta(string(section)) + `\.? `); !heading.Match(text) {
					t.Errorf("%s: there is no section %s", file, section)
				}
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d sections are named", found)
	}
}

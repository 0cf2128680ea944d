package castgate_test

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// room is a row of the table of rooms in ARCHITECTURE.md.
type room struct {
	dirs    []string
	imports []string // as they are written there
}

// rooms reads the table.
func rooms(t *testing.T) (all []*room) {
	t.Helper()
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "\n## Rooms\n")
	table, _, _ = strings.Cut(table, "\n## ")
	code := regexp.MustCompile("`([^`]+)`")
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || !strings.Contains(cells[1], "`") {
			continue
		}
		r := &room{}
		for _, m := range code.FindAllStringSubmatch(cells[1], -1) {
			r.dirs = append(r.dirs, m[1])
		}
		list, _, _ := strings.Cut(cells[3], "(") // libraries of others
		for name := range strings.SplitSeq(list, ",") {
			if name = strings.TrimSpace(name); name != "nothing" && name != "" {
				r.imports = append(r.imports, name)
			}
		}
		all = append(all, r)
	}
	if len(all) < 30 {
		t.Fatalf("only %d rooms found", len(all))
	}
	return all
}

// roomOf is the room of a directory: that of the nearest directory above which has one.
func roomOf(all []*room, dir string) (at *room, name string) {
	for ; dir != "."; dir = path.Dir(dir) {
		for _, r := range all {
			if slices.Contains(r.dirs, dir) {
				return r, dir
			}
		}
	}
	return nil, ""
}

// The table of rooms in ARCHITECTURE.md says of the gateway's packages which others each
// imports, neither more nor fewer. A package below another one that has no row of its own
// is a part of that.
func TestRooms(t *testing.T) {
	all := rooms(t)
	gateway := []string{"cmd/castgate", "server", "codec"}
	used := map[*room]map[string]bool{}
	for _, s := range sources(t) {
		if s.isTest() || !within(s.dir(), gateway...) {
			continue
		}
		from, _ := roomOf(all, s.dir())
		if from == nil {
			t.Errorf("%s is in no room of ARCHITECTURE.md", s.path)
			continue
		}
		for _, imported := range imports(s) {
			dir, ours := strings.CutPrefix(imported, "castgate/")
			to, name := roomOf(all, dir)
			if !ours || to == from || to == nil {
				continue
			}
			if used[from] == nil {
				used[from] = map[string]bool{}
			}
			written := name
			if strings.Contains(name, "/internal/") && !slices.Contains(from.imports, name) {
				written = path.Base(name)
			}
			used[from][written] = true
			if !slices.Contains(from.imports, written) {
				t.Errorf("%s imports %s, which the room %s in ARCHITECTURE.md does not say", s.path, name, from.dirs[0])
			}
		}
	}
	for _, r := range all {
		if !within(r.dirs[0], gateway...) {
			continue
		}
		for _, name := range r.imports {
			if !used[r][name] {
				t.Errorf("ARCHITECTURE.md: the room %s does not import %s", r.dirs[0], name)
			}
		}
	}
}

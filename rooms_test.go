package castgate_test

import (
	"bytes"
	"fmt"
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
	files   int      // -1 if none is written
	lines   int
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
		if len(cells) != 7 || !strings.Contains(cells[1], "`") {
			continue
		}
		r := &room{files: -1}
		if _, err := fmt.Sscan(cells[4]+cells[5], &r.files, &r.lines); err != nil && strings.TrimSpace(cells[4]) != "" {
			t.Errorf("ARCHITECTURE.md: %s: %v", cells[1], err)
		}
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

// The table says how large the rooms of the gateway are: Go files and lines that are no
// tests, of all packages that are a part of the room. The numbers are for those who read,
// so they need not follow every change: a third, or three files, may be missing.
func TestSizesOfRooms(t *testing.T) {
	all := rooms(t)
	type size struct{ files, lines int }
	sizes := map[*room]*size{}
	for _, s := range sources(t) {
		r, _ := roomOf(all, s.dir())
		if s.isTest() || r == nil || r.files < 0 {
			continue
		}
		if sizes[r] == nil {
			sizes[r] = &size{}
		}
		sizes[r].files++
		sizes[r].lines += bytes.Count(s.text, []byte("\n"))
	}
	for _, r := range all {
		is := sizes[r]
		switch {
		case r.files < 0 && within(r.dirs[0], "cmd/castgate", "server", "codec"):
			t.Errorf("ARCHITECTURE.md: the room %s has no files and lines", r.dirs[0])
		case r.files < 0:
		case is == nil:
			t.Errorf("ARCHITECTURE.md: the room %s has no Go files", r.dirs[0])
		case 3*abs(is.files-r.files) > max(r.files, 9), 3*abs(is.lines-r.lines) > max(r.lines, 300):
			t.Errorf("ARCHITECTURE.md: the room %s has %d files and %d lines, not %d and %d", r.dirs[0], is.files, is.lines, r.files, r.lines)
		}
	}
}

// Every Go file that the table of rooms or the tables of nouns name is there, and in a package
// whose nouns are listed each file is.
func TestFilesOfRooms(t *testing.T) {
	there := map[string]bool{}
	for _, s := range sources(t) {
		if !s.isTest() {
			there[s.path] = true
		}
	}
	file := regexp.MustCompile("`([a-z0-9_]+\\.go)`")
	for line := range strings.Lines(architecture(t, "\n## Rooms\n", "\nA file is a noun.")) {
		cells := strings.Split(line, "|")
		if len(cells) != 7 {
			continue
		}
		dirs := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1)
		for _, m := range file.FindAllStringSubmatch(cells[2], -1) {
			if !slices.ContainsFunc(dirs, func(dir []string) bool { return there[dir[1]+"/"+m[1]] }) {
				t.Errorf("ARCHITECTURE.md: %s is not in %s", m[1], strings.TrimSpace(cells[1]))
			}
		}
	}
	dir, listed := "", map[string]bool{}
	for line := range strings.Lines(architecture(t, "\nA file is a noun.", "\nA loop is composed of parts")) {
		if m := regexp.MustCompile("^\\| \\*\\*`([^`]+)`\\*\\*").FindStringSubmatch(line); m != nil {
			dir = m[1]
			continue
		}
		for _, m := range file.FindAllStringSubmatch(strings.Split(line+"||", "|")[1], -1) {
			if listed[dir+"/"+m[1]] = true; !there[dir+"/"+m[1]] {
				t.Errorf("ARCHITECTURE.md: there is no %s/%s", dir, m[1])
			}
		}
	}
	if len(listed) < 30 {
		t.Errorf("only %d files found", len(listed))
	}
	for name := range there {
		if d := path.Dir(name); (d == "server" || d == "server/loop" || d == "server/verbs") && !listed[name] && path.Base(name) != "doc.go" {
			t.Errorf("ARCHITECTURE.md does not say what %s holds", name)
		}
	}
}

func abs(n int) int { return max(n, -n) }

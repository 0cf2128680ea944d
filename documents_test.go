package castgate_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are all Markdown files, by name.
func documents(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := fs.WalkDir(os.DirFS("."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains(foreignFolders, d.Name())) {
			return fs.SkipDir
		}
		if path.Ext(name) == ".md" {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			all[name] = string(text)
		}
		return nil
	})
	if err != nil || len(all) < 20 {
		t.Fatalf("%d documents, %v", len(all), err)
	}
	return all
}

var (
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// anchors are what links may name of a document, as GitHub makes them from headings.
func anchors(text string) (all []string) {
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		name := strings.ToLower(strings.ReplaceAll(m[1], " ", "-"))
		all = append(all, regexp.MustCompile(`[^\p{L}\p{N}_-]`).ReplaceAllString(name, ""))
	}
	return all
}

// Every link in a document leads to a file that is there, and to a heading that it has.
func TestLinksOfDocuments(t *testing.T) {
	links := 0
	all := documents(t)
	for name, text := range all {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
				continue
			}
			links++
			file := name
			if to != "" {
				file = path.Join(path.Dir(name), to)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", name, m[1])
				continue
			}
			if anchor != "" && all[file] != "" && !slices.Contains(anchors(all[file]), anchor) {
				t.Errorf("%s: %s has no heading %s", name, file, anchor)
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links", links)
	}
}

// Each document for users can be reached from README.md by links.
func TestDocumentsAreReached(t *testing.T) {
	all, reached := documents(t), map[string]bool{}
	next := []string{"README.md"}
	for len(next) > 0 {
		name := next[0]
		next = next[1:]
		if reached[name] {
			continue
		}
		reached[name] = true
		for _, m := range link.FindAllStringSubmatch(all[name], -1) {
			to, _, _ := strings.Cut(m[1], "#")
			if file := path.Join(path.Dir(name), to); all[file] != "" {
				next = append(next, file)
			}
		}
	}
	for name := range all {
		if path.Dir(name) == "docs" && !reached[name] {
			t.Errorf("no link from README.md leads to %s", name)
		}
	}
	if lines := strings.Count(all["README.md"], "\n"); lines > 80 {
		t.Errorf("README.md has %d lines; it should be a screen and a half", lines)
	}
}

// The documents are spelt as codespell knows.
func TestSpelling(t *testing.T) {
	program, err := exec.LookPath("codespell")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip("no codespell; ci/deps.sh installs it")
	}
	args := []string{"--ignore-words-list=flate"} // compress/flate is a package
	for name := range documents(t) {
		args = append(args, name)
	}
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Flags, settings and metrics that documents name are there: the references, which are
// made from the program, have them all.
func TestDocumentsNameWhatThereIs(t *testing.T) {
	all := documents(t)
	settings := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\|").FindAllStringSubmatch(all["docs/settings.md"], -1) {
		settings[m[1]] = true
	}
	metrics := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(castgate_[a-z_]+)` \\|").FindAllStringSubmatch(all["docs/metrics.md"], -1) {
		metrics[m[1]] = true
	}
	if len(settings) < 80 || len(metrics) < 80 {
		t.Fatalf("%d settings and %d metrics in the references", len(settings), len(metrics))
	}
	// A setting's flag, in text or in a command line of castgate serve.
	flag := regexp.MustCompile("`--([a-z0-9-]+)[ `=]")
	metric := regexp.MustCompile(`\bcastgate_[a-z_]+[a-z]\b`)
	others := otherFlags(t)
	for name, text := range all {
		if path.Dir(name) != "docs" || name == "docs/load-tests.md" {
			continue
		}
		for _, m := range flag.FindAllStringSubmatch(text, -1) {
			if !settings[m[1]] && !slices.Contains(others, m[1]) && m[1] != "cluster-" {
				t.Errorf("%s: there is no flag --%s", name, m[1])
			}
		}
		for _, m := range metric.FindAllString(text, -1) {
			base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(m, "")
			if !metrics[m] && !metrics[base] && !strings.HasSuffix(m, "_linux") {
				t.Errorf("%s: there is no metric %s", name, m)
			}
		}
	}
	for _, name := range []string{"deploy/prometheus/alerts.yaml", "deploy/grafana/castgate.json"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range metric.FindAllString(string(text), -1) {
			if base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(m, ""); !metrics[m] && !metrics[base] {
				t.Errorf("%s: there is no metric %s", name, m)
			}
		}
	}
}

// otherFlags are flags of commands that are no settings, and of other programs.
func otherFlags(t *testing.T) (names []string) {
	t.Helper()
	known := regexp.MustCompile(`(?:name:"([a-z-]+)"|^\s+([A-Z][A-Za-z]*)\s+\S+\s+` + "`" + `)`)
	upper := regexp.MustCompile(`([a-z0-9])([A-Z])`)
	for _, s := range sources(t) {
		if !within(s.dir(), "cmd/castgate") || s.isTest() {
			continue
		}
		for line := range strings.Lines(string(s.text)) {
			m := known.FindStringSubmatch(line)
			switch {
			case m == nil:
			case m[1] != "":
				names = append(names, m[1])
			default:
				names = append(names, strings.ToLower(upper.ReplaceAllString(m[2], "$1-$2")))
			}
		}
	}
	return append(names, "ulimit", "cap-add", "licenses")
}

// Whoever sees a handshake refused with 503 finds its code in docs/troubleshooting.md.
func TestTroubleshootingOf503(t *testing.T) {
	all := documents(t)
	rows := regexp.MustCompile(`(?m)^\| (.+) \| 503 \|`).FindAllStringSubmatch(all["docs/handshakes.md"], -1)
	if len(rows) < 5 {
		t.Fatalf("docs/handshakes.md has %d rows of 503", len(rows))
	}
	_, section, _ := strings.Cut(all["docs/troubleshooting.md"], "\n## A page cannot connect\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, row := range rows {
		for _, m := range regexp.MustCompile("`(.+?)`").FindAllString(row[1], -1) {
			if !strings.Contains(section, m) {
				t.Errorf("docs/troubleshooting.md does not say what to do about 503 %s", m)
			}
		}
	}
}

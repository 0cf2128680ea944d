package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline"
	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/process"
	"castgate/internal/snippets"
	"castgate/internal/wstest"
)

var (
	// documentedLine is a command line of castgate, up to a comment or what a shell does
	// with it; in a unit, or as the arguments of an image, too.
	documentedLine = regexp.MustCompile(`(?m)(?:^|[ =])(?:[^\s='"]*/)?castgate ((?:[^\n|;&#>\\]|\\\n)+)`)
	// documentedArgs are those of a container in YAML.
	documentedArgs = regexp.MustCompile(`(?s)args: \[([^\]]*)\]`)
)

// words splits a command line as a shell would, as far as documents need it.
func words(line string) (all []string) {
	line = strings.ReplaceAll(line, "\\\n", " ")
	for _, m := range regexp.MustCompile(`'([^']*)'|"([^"]*)"|(\S+?)'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1) {
		all = append(all, m[1]+m[2]+m[3]+m[4]+m[5])
	}
	return all
}

// documentedCommands are the command lines of castgate in all documents, by where they are.
func documentedCommands(t *testing.T) map[string][][]string {
	t.Helper()
	blocks, err := snippets.All("../..")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][][]string{}
	for _, b := range blocks {
		if b.Language != "" && b.Language != "sh" {
			continue
		}
		for _, m := range documentedLine.FindAllStringSubmatch(b.Text, -1) {
			// What follows is a word, but in a picture, a block of nginx, and where castgate is an
			// argument of another program.
			if args := words(m[1]); len(args) > 0 && 'a' <= args[0][0] && args[0][0] <= 'z' {
				all[b.Name()] = append(all[b.Name()], args)
			}
		}
		for _, m := range documentedArgs.FindAllStringSubmatch(b.Text, -1) {
			all[b.Name()] = append(all[b.Name()], strings.Fields(strings.ReplaceAll(m[1], ",", " ")))
		}
	}
	return all
}

// Every command line of castgate in the documents is one that castgate understands.
func TestDocumentedCommandLines(t *testing.T) {
	// One parser for all: making one takes long.
	parser, err := commandline.NewParser(new(commands), knob.NewSources(nil), &process.Process{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}})
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for name, list := range documentedCommands(t) {
		for _, args := range list {
			lines++
			if _, err := parser.Parse(args); err != nil && !strings.Contains(err.Error(), "no such file") {
				t.Errorf("%s: castgate %q: %v", name, args, err)
			}
		}
	}
	if lines < 30 {
		t.Errorf("only %d command lines found", lines)
	}
}

// A gateway that is told what the documents say would start: config check, which looks at
// all settings and files, has nothing against it.
func TestDocumentedSettings(t *testing.T) {
	dir := t.TempDir()
	pair := wstest.NewAuthority(t).Issue("gate.example.com")
	secret := "whsec_" + strings.Repeat("c2VjcmV0", 4)
	for name, text := range map[string]string{
		"secret": strings.Repeat("0f", 32) + "\n", "events.secret": secret + "\n", "gatewayworker": "a secret of the workers\n",
		"castgate.creds": "", "castgate.toml": "",
		"cert.pem": readAll(t, pair.Cert), "key.pem": readAll(t, pair.Key),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"keys", "castgate.keys"} {
		if code, _, errs := runIn([]string{"key", "new", "--name", "backend", "--scope", "push,manage", "--file", filepath.Join(dir, name)}, nil, ""); code != 0 {
			t.Fatal(errs)
		}
	}
	commands := documentedCommands(t)
	t.Chdir(dir)
	here := strings.NewReplacer("/etc/castgate", dir, "/var/lib/castgate", dir, "/var/tmp/castgate-events", dir+"/events", "$secret", secret)
	starts := 0
	for name, list := range commands {
		for _, args := range list {
			if args[0] != "serve" {
				continue
			}
			starts++
			check := []string{"config", "check"}
			for _, arg := range args[1:] {
				if name, ok := strings.CutPrefix(arg, "/keys/"); ok { // of the container
					arg = filepath.Join(dir, name)
				}
				check = append(check, here.Replace(arg))
			}
			if code, _, errs := runIn(check, nil, ""); code != 0 {
				t.Errorf("%s: castgate %q: exit code %d, %s", name, check, code, errs)
			}
		}
	}
	if starts < 15 {
		t.Errorf("only %d starts found", starts)
	}
}

func readAll(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The manifests of Kubernetes give the container arguments that castgate takes.
func TestArgumentsOfManifests(t *testing.T) {
	text := readAll(t, "../../deploy/kubernetes/castgate.yaml")
	_, list, found := strings.Cut(text, "          args:\n")
	var args []string
	for line := range strings.Lines(list) {
		item, ok := strings.CutPrefix(line, "            - ")
		if !ok {
			break
		}
		args = append(args, strings.TrimSpace(item))
	}
	if !found || len(args) < 3 || !slices.Contains(args, "serve") {
		t.Fatalf("args %q", args)
	}
	parser, err := commandline.NewParser(new(commands), knob.NewSources(nil), &process.Process{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Errorf("%q: %v", args, err)
	}
}

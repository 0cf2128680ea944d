package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documentedLine is a command line of castgate in a block of a document, up to a comment or
// what a shell does with it.
var documentedLine = regexp.MustCompile(`(?m)^    (?:bin/)?castgate ((?:[^\n|;&#>\\]|\\\n)*)`)

// words splits a command line as a shell would, as far as documents need it.
func words(line string) (all []string) {
	line = strings.ReplaceAll(line, "\\\n", " ")
	for _, m := range regexp.MustCompile(`'([^']*)'|"([^"]*)"|(\S+?)'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1) {
		all = append(all, m[1]+m[2]+m[3]+m[4]+m[5])
	}
	return all
}

// Every command line of castgate in the documents is one that castgate understands.
func TestDocumentedCommandLines(t *testing.T) {
	names, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for _, name := range append(names, "../../README.md", "../../SECURITY.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range documentedLine.FindAllStringSubmatch(string(text), -1) {
			args := words(m[1])
			if len(args) == 0 || strings.Contains(m[1], "...") {
				continue
			}
			lines++
			var out bytes.Buffer
			parser, err := newParser(new(commands), newSources(nil), &process{stdout: &out, stderr: &out})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(args); err != nil && !strings.Contains(err.Error(), "no such file") {
				t.Errorf("%s: castgate %q: %v", filepath.Base(name), args, err)
			}
		}
	}
	if lines < 15 {
		t.Errorf("only %d command lines found", lines)
	}
}

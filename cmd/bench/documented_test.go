package main

import (
	"io"
	"os"
	"regexp"
	"strings"
	"testing"

	"castgate/internal/snippets"
)

// Every command line of bench in the documents is one that bench understands.
func TestDocumentedCommandLines(t *testing.T) {
	blocks, err := snippets.All("../..")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^(?:(?:bin/bench|go run ./cmd/bench) ((?:[^\n\\]|\\\n)*)|make bench ARGS="(.*)")`)
	lines := 0
	for _, b := range blocks {
		for _, m := range line.FindAllStringSubmatch(b.Text, -1) {
			text, _, _ := strings.Cut(m[1]+m[2], " #")
			args := strings.Fields(strings.ReplaceAll(strings.Trim(text, `" `), "\\\n", " "))
			lines++
			parser, err := newParser(t.Context(), &console{os.Stdin, io.Discard, io.Discard}, func() {})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(args); err != nil && !strings.Contains(err.Error(), "no such file") {
				t.Errorf("%s: bench %q: %v", b.Name(), args, err)
			}
		}
	}
	if lines < 4 {
		t.Errorf("only %d command lines found", lines)
	}
}

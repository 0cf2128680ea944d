package main

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"castgate/internal/snippets"
)

// Every command line of loadtest in the documents is one that loadtest understands.
func TestDocumentedCommandLines(t *testing.T) {
	blocks, err := snippets.All("../..")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^(?:bin/loadtest (.*)|make loadtest ARGS="(.*)")`)
	lines := 0
	for _, b := range blocks {
		for _, m := range line.FindAllStringSubmatch(b.Text, -1) {
			text, _, _ := strings.Cut(m[1]+m[2], " #")
			args := strings.Fields(strings.Trim(text, `" `))
			lines++
			parser, err := kong.New(new(command), kong.Name("loadtest"), kong.Writers(io.Discard, io.Discard))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := parser.Parse(args); err != nil && !strings.Contains(err.Error(), "no such file") {
				t.Errorf("%s: loadtest %q: %v", b.Name(), args, err)
			}
		}
	}
	if lines < 8 {
		t.Errorf("only %d command lines found", lines)
	}
}

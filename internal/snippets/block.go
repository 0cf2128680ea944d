// Package snippets reads the blocks of code and commands of the documents, so that tests
// can run them.
package snippets

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Block is a block of code or commands of a document: between fences, or indented by four
// spaces.
type Block struct {
	File     string // relative to the root, such as docs/cluster.md
	Heading  string // the nearest above
	Number   int    // among those below this heading, from 1
	Language string // of the fence; "" for an indented block
	Line     int    // of its first line
	Text     string // without the indent; it ends with a line feed
}

// Name names the block: file, heading and number.
func (b *Block) Name() string { return fmt.Sprintf("%s | %s | %d", b.File, b.Heading, b.Number) }

// patterns are the documents whose blocks somebody may copy.
var patterns = []string{"*.md", "docs/*.md", "examples/*/README.md", "examples/*/*/README.md", "clients/*/README.md", "deploy/*.md", "deploy/*/*.md", "bench/*.md"}

// notes are documents of the project's history, which nobody copies from.
var notes = []string{"CHANGELOG.md"}

// All are the blocks of all documents below root, in their order.
func All(root string) (all []Block, err error) {
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			file, err := filepath.Rel(root, path)
			if err != nil {
				return nil, err
			}
			if slices.Contains(notes, file) {
				continue
			}
			blocks, err := Of(root, file)
			if err != nil {
				return nil, err
			}
			all = append(all, blocks...)
		}
	}
	return all, nil
}

// Of are the blocks of one document.
func Of(root, file string) ([]Block, error) {
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return nil, err
	}
	return parse(file, string(text)), nil
}

// parse finds the blocks of a text. An indented block begins after an empty line; items of
// lists are not indented so far in our documents.
func parse(file, text string) (all []Block) {
	lines := strings.SplitAfter(text, "\n")
	heading, count, empty := "", map[string]int{}, true
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		b := Block{File: file, Heading: heading}
		switch language, fence := strings.CutPrefix(line, "```"); {
		case fence:
			b.Language, b.Line = strings.TrimSpace(language), i+2
			for i++; i < len(lines) && !strings.HasPrefix(lines[i], "```"); i++ {
				b.Text += lines[i]
			}
		case strings.HasPrefix(line, indent) && empty:
			b.Line = i + 1
			for ; i < len(lines) && (strings.HasPrefix(lines[i], indent) || strings.TrimSpace(lines[i]) == "" && nextIndented(lines[i:])); i++ {
				b.Text += strings.TrimPrefix(lines[i], indent)
			}
			i--
		default:
			if strings.HasPrefix(line, "#") {
				heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
			}
			empty = strings.TrimSpace(line) == ""
			continue
		}
		empty = false
		count[heading]++
		b.Number = count[heading]
		all = append(all, b)
	}
	return all
}

const indent = "    "

// nextIndented tells whether an indented line follows the empty ones.
func nextIndented(lines []string) bool {
	for _, line := range lines {
		if strings.TrimSpace(line) != "" {
			return strings.HasPrefix(line, indent)
		}
	}
	return false
}

package pemfile

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// lineEnds are the characters that may end a line.
const lineEnds = "\r\n"

// maxFile is the largest accepted file in bytes.
const maxFile = 1 << 20

var (
	begin = []byte("-----BEGIN")
	end   = []byte("-----END")
)

// Blocks parses all PEM blocks of a text. Lines between them are comments. A block
// that is truncated or damaged is an error, and so is any line that could be the
// rest of one. A text that was cut exactly after a block cannot be recognised as
// truncated.
func Blocks(text []byte) (blocks []*pem.Block, err error) {
	// Concatenated files have a mark before each of them.
	if ByteOrderMark(text) != "" || bytes.Contains(text, append(bytes.Clone(orderMarks[0].mark), begin...)) {
		return nil, errMark
	}
	for len(text) > 0 {
		line, rest := cutLine(text)
		switch {
		case bytes.HasPrefix(line, begin):
			n := blockLen(text)
			block, left := pem.Decode(bytes.TrimRight(text[:n], lineEnds))
			if block == nil || len(bytes.TrimSpace(left)) > 0 {
				return nil, fmt.Errorf("PEM block %d is truncated or damaged", len(blocks)+1)
			}
			blocks = append(blocks, block)
			text = text[n:]
			continue
		case bytes.Contains(line, begin), bytes.Contains(line, end):
			return nil, fmt.Errorf("unexpected BEGIN or END line after PEM block %d", len(blocks))
		case len(rest) == 0 && len(line) > 0 && bytes.HasPrefix(begin, line):
			return nil, fmt.Errorf("PEM block %d is truncated", len(blocks)+1)
		}
		text = rest
	}
	return blocks, nil
}

// blockLen returns the length of the block that a text begins with: up to its END
// line, up to the beginning of another block, or up to the end of the text.
func blockLen(text []byte) int {
	_, rest := cutLine(text)
	for len(rest) > 0 {
		line, next := cutLine(rest)
		if bytes.Contains(line, begin) {
			break
		}
		rest = next
		if bytes.HasPrefix(line, end) {
			break
		}
	}
	return len(text) - len(rest)
}

// cutLine splits off the first line, without its line end.
func cutLine(text []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(text, []byte{'\n'})
	return bytes.TrimRight(line, lineEnds), rest
}

var errMark = errors.New("the file has a byte order mark; save it as UTF-8 without one")

var errTooLarge = errors.New("larger than 1 MiB")

// read reads a regular file of at most maxFile bytes. Reading anything else might
// never end, and without O_NONBLOCK even opening a pipe without a writer would
// block.
func read(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s: %w", path, errTooLarge)
	}
	return text, err
}

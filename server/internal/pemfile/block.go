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

// lineEnds are what a line may end with.
const lineEnds = "\r\n"

// maxFile is the largest file that is read, in bytes.
const maxFile = 1 << 20

var (
	begin = []byte("-----BEGIN")
	end   = []byte("-----END")
)

// Blocks reads all blocks of a text. Lines between them are comments. A block
// that is cut or damaged is an error, and so is what could be the rest of one.
// A text that was cut just behind a block cannot be told from a whole one.
func Blocks(text []byte) (blocks []*pem.Block, err error) {
	// Files that were joined have a mark in front of each.
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
				return nil, fmt.Errorf("PEM block %d is cut or damaged", len(blocks)+1)
			}
			blocks = append(blocks, block)
			text = text[n:]
			continue
		case bytes.Contains(line, begin), bytes.Contains(line, end):
			return nil, fmt.Errorf("a line behind PEM block %d begins or ends one where none can be", len(blocks))
		case len(rest) == 0 && len(line) > 0 && bytes.HasPrefix(begin, line):
			return nil, fmt.Errorf("PEM block %d is cut", len(blocks)+1)
		}
		text = rest
	}
	return blocks, nil
}

// blockLen is the length of the block that a text begins with: up to the line
// that ends it, or to where another begins, or all there is.
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

// cutLine returns the first line without its end, and what follows.
func cutLine(text []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(text, []byte{'\n'})
	return bytes.TrimRight(line, lineEnds), rest
}

var errMark = errors.New("there is a byte order mark; save the file as UTF-8 without one")

var errTooLarge = errors.New("larger than 1 MiB")

// read reads a regular file of at most maxFile bytes. Anything else might never
// end, and a pipe that nobody writes to would not even open without O_NONBLOCK.
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

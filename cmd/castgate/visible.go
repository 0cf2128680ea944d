package main

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// visibleWriter passes text on to a terminal with every character that could
// command it, or hide or reorder what is beside it, as a \u escape: names and
// sessions are a stranger's choice. JSON stays the same JSON. Not for several
// goroutines.
type visibleWriter struct {
	to   io.Writer
	part []byte // of a character that a write has cut
	buf  []byte
}

// Write implements io.Writer.
func (w *visibleWriter) Write(b []byte) (int, error) {
	text := append(w.part, b...)
	whole := len(text)
	for i := 1; i <= min(utf8.UTFMax-1, len(text)); i++ {
		if tail := text[len(text)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				whole -= i
			}
			break
		}
	}
	w.buf = appendVisible(w.buf[:0], text[:whole])
	w.part = append([]byte(nil), text[whole:]...)
	if _, err := w.to.Write(w.buf); err != nil {
		return 0, err
	}
	return len(b), nil
}

// visible is text as visibleWriter writes it.
func visible(text string) string { return string(appendVisible(nil, []byte(text))) }

func appendVisible(dst, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, `\ufffd`...)
		case !hidden(r):
			dst = append(dst, text[:n]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, high, low)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		text = text[n:]
	}
	return dst
}

// hidden tells which characters must not reach a terminal as they are: controls
// of ASCII and of ISO 6429's second set, DEL, and Unicode's format characters
// and separators of lines, such as those that turn the direction of text.
// Joiners are let through: scripts and emoji need them.
func hidden(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	switch r {
	case '\n', '\t', nonJoiner, joiner:
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

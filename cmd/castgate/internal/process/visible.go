package process

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// visibleWriter writes text to a terminal with a \u escape in place of every
// character that could control it, or hide or reorder other text: strangers
// choose names and sessions. JSON stays equivalent JSON. It must be used by one
// goroutine.
type visibleWriter struct {
	to   io.Writer
	part []byte // of a character split between two writes
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

// VisibleTo is a writer to a terminal that commands none.
func VisibleTo(terminal io.Writer) io.Writer { return &visibleWriter{to: terminal} }

// Visible is text as visibleWriter writes it.
func Visible(text string) string { return string(appendVisible(nil, []byte(text))) }

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

// hidden reports which characters must not reach a terminal unchanged: ASCII
// controls and those of ISO 6429's second set, DEL, and Unicode's format
// characters and line separators, such as those that change the direction of
// text. Joiners are allowed: scripts and emoji need them.
func hidden(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	switch r {
	case '\n', '\t', nonJoiner, joiner:
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

package pemfile

import "bytes"

// orderMarks are byte order marks, the encodings they stand for and what must
// follow them. In UTF-16 one of the next two bytes is zero if the text is Latin; a
// secret of random bytes may begin with the mark alone.
var orderMarks = []struct {
	mark  []byte
	zero  int // index of a byte that must be zero; 0 means no condition
	is    string
	parts int // the length of the text must be a multiple of this
}{
	{[]byte("\xef\xbb\xbf"), 0, "UTF-8", 1},
	{[]byte("\xff\xfe\x00\x00"), 0, "UTF-32", 4},
	{[]byte("\x00\x00\xfe\xff"), 0, "UTF-32", 4},
	{[]byte("\xff\xfe"), 3, "UTF-16", 2},
	{[]byte("\xfe\xff"), 2, "UTF-16", 2},
}

// ByteOrderMark names the encoding of the byte order mark that a text begins with,
// such as UTF-8, or returns "" if there is none (RFC 3629 section 6).
func ByteOrderMark(text []byte) string {
	for _, m := range orderMarks {
		if !bytes.HasPrefix(text, m.mark) || len(text)%m.parts != 0 {
			continue
		}
		if m.zero == 0 || len(text) == len(m.mark) || text[m.zero] == 0 {
			return m.is
		}
	}
	return ""
}

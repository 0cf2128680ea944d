package pemfile

import "bytes"

// orderMarks are byte order orderMarks with what may follow them, by what they mark.
// UTF-16 has a zero in one of the next two bytes wherever the text is Latin: a
// secret of random bytes may begin with the mark alone.
var orderMarks = []struct {
	mark  []byte
	zero  int // index of a byte that is zero; 0: none has to be
	is    string
	parts int // what the length of the text is a multiple of
}{
	{[]byte("\xef\xbb\xbf"), 0, "UTF-8", 1},
	{[]byte("\xff\xfe\x00\x00"), 0, "UTF-32", 4},
	{[]byte("\x00\x00\xfe\xff"), 0, "UTF-32", 4},
	{[]byte("\xff\xfe"), 3, "UTF-16", 2},
	{[]byte("\xfe\xff"), 2, "UTF-16", 2},
}

// ByteOrderMark tells what the byte order mark that a text begins with says
// that it is, UTF-8 for one; "" if there is none (RFC 3629 section 6).
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

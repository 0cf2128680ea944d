package pemfile

import "testing"

func TestByteOrderMark(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a": "", "\xef\xbb": "", "a\xef\xbb\xbf": "",
		"\xef\xbb\xbf": "UTF-8", "\xef\xbb\xbflisten": "UTF-8",
		"\xff\xfe": "UTF-16", "\xfe\xff": "UTF-16", "\xff\xfea\x00b\x00": "UTF-16", "\xfe\xff\x00a": "UTF-16",
		"\xff\xfe\x00\x00a\x00\x00\x00": "UTF-32", "\x00\x00\xfe\xff\x00\x00\x00a": "UTF-32",
		"\xff\xfe3\x8c random bytes of a secret": "", "\xff\xfea\x00b": "",
	} {
		if got := ByteOrderMark([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Without the check, a mark before a block would turn its first line into a
// comment.
func TestBlocksWithMark(t *testing.T) {
	one := string(block("A", 60))
	for _, text := range []string{"\xef\xbb\xbf" + one, one + "\xef\xbb\xbf" + one, "\xff\xfe-\x00"} {
		if blocks, err := Blocks([]byte(text)); err == nil || err.Error() != "the file has a byte order mark; save it as UTF-8 without one" {
			t.Errorf("%q: %d blocks, %v", text[:6], len(blocks), err)
		}
	}
}

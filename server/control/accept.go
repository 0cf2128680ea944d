package control

import (
	"bytes"
	"strconv"
)

// prefersLines reports whether an Accept header (RFC 9110 section 12.5.1) asks
// for NDJSON: it names NDJSON and does not name JSON with a higher weight, nor
// earlier with the same weight. Generated clients name every type in the
// document.
func prefersLines(accept []byte) bool {
	var lines, whole float64 // weights of NDJSON and of JSON, 0 if not named
	for len(accept) > 0 {
		var one []byte
		one, accept, _ = bytes.Cut(accept, []byte{','})
		switch t := mediaType(one); {
		case bytes.EqualFold(t, []byte(ndjsonType)) && lines == 0:
			if lines = weight(one); lines <= whole {
				return false
			}
		case bytes.EqualFold(t, []byte(jsonType)) && whole == 0:
			whole = weight(one)
		}
	}
	return lines > 0 && lines >= whole
}

// weight is the q of an item of an Accept header; 1 if it is absent or
// malformed.
func weight(item []byte) float64 {
	_, parameters, _ := bytes.Cut(item, []byte{';'})
	for len(parameters) > 0 {
		var one []byte
		one, parameters, _ = bytes.Cut(parameters, []byte{';'})
		name, value, _ := bytes.Cut(one, []byte{'='})
		if !bytes.EqualFold(bytes.TrimSpace(name), []byte{'q'}) {
			continue
		}
		if q, err := strconv.ParseFloat(string(bytes.TrimSpace(value)), 64); err == nil && q >= 0 && q <= 1 {
			return q
		}
	}
	return 1
}

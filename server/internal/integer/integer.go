// Package integer reads integers in JSON. JSON has only one kind of number, and
// many programs write an integer as 1000.0 or 1e3, which JSON Schema accepts as the
// integer 1000.
package integer

import (
	"bytes"
	"strconv"
)

// Digits returns the digits of a JSON number (RFC 8259 section 6) that is an
// integer, without point, exponent and leading zeros, and with a - if it is
// negative; -0 is 0. ok is false if it is not an integer, or if it has more than
// most digits. number must be a valid JSON number. The result may share its memory.
func Digits(number []byte, most int) (digits []byte, ok bool) {
	unsigned := bytes.TrimPrefix(number, []byte{'-'})
	negative := len(unsigned) < len(number)
	mantissa, exponent := unsigned, []byte(nil)
	if i := bytes.IndexAny(unsigned, "eE"); i >= 0 {
		mantissa, exponent = unsigned[:i], unsigned[i+1:]
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte{'.'})
	fraction = bytes.TrimRight(fraction, "0")
	if len(fraction) == 0 && len(exponent) == 0 {
		if len(whole) > most {
			return nil, false
		}
		if string(whole) == "0" || !negative {
			return whole, true
		}
		return number[:1+len(whole)], true
	}
	return shifted(whole, fraction, exponent, negative, most)
}

// shifted moves the decimal point between whole and fraction by exponent.
func shifted(whole, fraction, exponent []byte, negative bool, most int) ([]byte, bool) {
	all := append(bytes.Clone(whole), fraction...)
	significant := bytes.TrimRight(bytes.TrimLeft(all, "0"), "0")
	if len(significant) == 0 {
		return []byte{'0'}, true
	}
	by := 0
	if len(exponent) > 0 {
		var err error
		if by, err = strconv.Atoi(string(exponent)); err != nil {
			return nil, false // billions of digits, before or after the point
		}
	}
	leading := len(all) - len(bytes.TrimLeft(all, "0"))
	length := len(whole) - leading + by // number of digits before the point
	if length < len(significant) || length > most {
		return nil, false
	}
	digits := make([]byte, 0, 1+length)
	if negative {
		digits = append(digits, '-')
	}
	digits = append(digits, significant...)
	return append(digits, bytes.Repeat([]byte{'0'}, length-len(significant))...), true
}

package gatewayworker

import "strings"

// Limits of a query string, PHP's max_input_vars and max_input_nesting_level:
// later variables and deeper ones are left out.
const (
	maxQueryVars    = 1000
	maxQueryNesting = 64
)

// phpArray is an array as PHP has it: keys in order, values strings or arrays.
type phpArray struct {
	keys   []string
	values map[string]phpValue
	next   int64 // key of the next element without one
	any    bool  // an integer key has been there
	full   bool  // no integer key is left
}

// phpValue is a string, an integer, null or an array.
type phpValue struct {
	text  string
	array *phpArray
	kind  byte // 's', 'i' or 'N'; arrays: 0
}

func (a *phpArray) set(key string, v phpValue) {
	if a.values == nil {
		a.values = map[string]phpValue{}
	}
	if _, ok := a.values[key]; !ok {
		a.keys = append(a.keys, key)
	}
	a.values[key] = v
	if !IsIntKey(key) {
		return
	}
	var n int64
	for _, c := range []byte(strings.TrimPrefix(key, "-")) {
		n = n*10 + int64(c-'0')
	}
	if key[0] == '-' {
		n = -n
	}
	if !a.any || n >= a.next {
		a.any, a.next, a.full = true, n+1, n+1 < n
	}
}

func (a *phpArray) setText(key, text string) { a.set(key, phpValue{text: text, kind: 's'}) }

// append appends the array, serialized.
func (a *phpArray) append(dst []byte) []byte {
	dst = AppendArray(dst, len(a.keys))
	for _, key := range a.keys {
		dst = AppendKey(dst, key)
		switch v := a.values[key]; v.kind {
		case 's':
			dst = AppendString(dst, v.text)
		case 'i':
			dst = append(append(append(dst, 'i', ':'), v.text...), ';')
		case 'N':
			dst = AppendNull(dst)
		default:
			dst = v.array.append(dst)
		}
	}
	return AppendEnd(dst)
}

// AppendQuery appends the serialized array that PHP's parse_str makes of a query
// string (section 6.4), at most 1,000 variables of it. Keys after [] go on from
// the largest, negative ones included.
func AppendQuery(dst []byte, query string) []byte {
	var root phpArray
	for n := 0; n < maxQueryVars && query != ""; {
		var part string
		if part, query, _ = strings.Cut(query, "&"); part == "" {
			continue
		}
		n++
		name, value, _ := strings.Cut(part, "=")
		root.variable(urlDecode(name), urlDecode(value))
	}
	return root.append(dst)
}

// variable sets what a variable of this name means: name[a][] is an element of
// an element.
func (a *phpArray) variable(name, value string) {
	name, _, _ = strings.Cut(strings.TrimLeft(name, " "), "\x00")
	base, rest, isArray := strings.Cut(name, "[")
	if base = strings.NewReplacer(" ", "_", ".", "_").Replace(base); base == "" {
		return
	}
	if !isArray {
		a.setText(base, value)
		return
	}
	path, ok := brackets(rest)
	if !ok {
		return
	}
	if len(path) == 0 { // never closed: the bracket is a character like others
		a.setText(base+"_"+strings.NewReplacer(" ", "_", ".", "_", "[", "_").Replace(rest), value)
		return
	}
	key := base
	for _, next := range path {
		inner := a.values[key].array
		if inner == nil {
			inner = &phpArray{}
			a.set(key, phpValue{array: inner})
		}
		if a, key = inner, next.key; next.auto {
			if a.full {
				return
			}
			key = itoa(a.next)
		}
	}
	a.setText(key, value)
}

// bracket is what stands in a pair of them; auto if it is nothing.
type bracket struct {
	key  string
	auto bool
}

// brackets reads what follows the first bracket. What stands between two pairs or
// after the last is ignored, so is a pair that is not closed unless it is the
// first. ok is false if there are too many.
func brackets(rest string) (path []bracket, ok bool) {
	for {
		key, after, closed := strings.Cut(rest, "]")
		if !closed {
			return path, true
		}
		if len(path) == maxQueryNesting {
			return nil, false
		}
		blank := strings.TrimLeft(key, " \t\n\r\v\f") == ""
		path = append(path, bracket{key, blank})
		if !strings.HasPrefix(after, "[") {
			return path, true
		}
		rest = after[1:]
	}
}

// urlDecode is PHP's: plus is a blank, %XX a byte, all else itself.
func urlDecode(s string) string {
	if !strings.ContainsAny(s, "+%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
		case s[i] == '%' && i+2 < len(s) && hexDigit(s[i+1]) >= 0 && hexDigit(s[i+2]) >= 0:
			b = append(b, byte(hexDigit(s[i+1])<<4|hexDigit(s[i+2])))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return string(b)
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

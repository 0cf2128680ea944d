package gatewayworker

import "strings"

// Limits of a query string: PHP's max_input_vars and max_input_nesting_level.
// Further and deeper variables are dropped.
const (
	maxQueryVars    = 1000
	maxQueryNesting = 64
	// maxQueryArrays is ours: the number of nested arrays that a query may
	// create. Two bytes of input create one, which then takes about a hundred
	// bytes. A variable that needs one more is dropped.
	maxQueryArrays = 4096
)

// phpArray is a PHP array: ordered keys, values that are strings or arrays.
type phpArray struct {
	elements []phpElement
	index    map[string]int // of elements by key; nil while they are few
	next     int64          // key of the next element without one
	any      bool           // it has had an integer key
	full     bool           // no integer key is available
}

// phpElement is one element of a phpArray.
type phpElement struct {
	key   string
	value phpValue
}

// fewElements is the most elements that an array has without an index. A query
// can create thousands of arrays of one element.
const fewElements = 8

// phpValue is a string, an integer, null or an array.
type phpValue struct {
	text  string
	array *phpArray
	kind  byte // 's', 'i' or 'N'; arrays: 0
}

// find returns the position of the element with this key, or -1.
func (a *phpArray) find(key string) int {
	if a.index != nil {
		if i, ok := a.index[key]; ok {
			return i
		}
		return -1
	}
	for i := range a.elements {
		if a.elements[i].key == key {
			return i
		}
	}
	return -1
}

// get returns the value of a key; ok is false if there is none.
func (a *phpArray) get(key string) (v phpValue, ok bool) {
	i := a.find(key)
	if i < 0 {
		return phpValue{}, false
	}
	return a.elements[i].value, true
}

func (a *phpArray) set(key string, v phpValue) {
	if i := a.find(key); i >= 0 {
		a.elements[i].value = v
		return
	}
	a.elements = append(a.elements, phpElement{key, v})
	switch {
	case a.index != nil:
		a.index[key] = len(a.elements) - 1
	case len(a.elements) > fewElements:
		a.index = make(map[string]int, 2*len(a.elements))
		for i := range a.elements {
			a.index[a.elements[i].key] = i
		}
	}
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

// append appends the serialized array.
func (a *phpArray) append(dst []byte) []byte {
	dst = AppendArray(dst, len(a.elements))
	for _, e := range a.elements {
		dst = AppendKey(dst, e.key)
		switch v := e.value; v.kind {
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

// AppendQuery appends, serialized, the array into which PHP's parse_str turns a
// query string (section 6.4), with at most 1,000 variables. Keys for []
// continue from the largest one, even if it is negative.
func AppendQuery(dst []byte, query string) []byte {
	var root phpArray
	arrays := maxQueryArrays
	for n := 0; n < maxQueryVars && query != ""; {
		var part string
		if part, query, _ = strings.Cut(query, "&"); part == "" {
			continue
		}
		n++
		name, value, _ := strings.Cut(part, "=")
		root.variable(urlDecode(name), urlDecode(value), &arrays)
	}
	return root.append(dst)
}

// variable sets the value of the variable with this name: name[a][] is an
// element of an element. arrays is how many more arrays may be created.
func (a *phpArray) variable(name, value string, arrays *int) {
	name, _, _ = strings.Cut(strings.TrimLeft(name, " "), "\x00")
	base, rest, isArray := strings.Cut(name, "[")
	if base = baseName(base); base == "" {
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
	if len(path) == 0 { // never closed: the bracket is an ordinary character
		a.setText(base+"_"+openName(rest), value)
		return
	}
	key := base
	for _, next := range path {
		v, _ := a.get(key)
		inner := v.array
		if inner == nil {
			if *arrays == 0 {
				return
			}
			*arrays--
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

// baseName returns the name that PHP gives a variable.
func baseName(name string) string { return underscored(name, " .") }

// openName does the same for what follows a bracket that is never closed.
func openName(name string) string { return underscored(name, " .[") }

// underscored replaces some ASCII characters by _.
func underscored(name, chars string) string {
	if !strings.ContainsAny(name, chars) {
		return name
	}
	b := []byte(name)
	for i, c := range b {
		if strings.IndexByte(chars, c) >= 0 {
			b[i] = '_'
		}
	}
	return string(b)
}

// bracket is the text in a pair of brackets; auto if there is none.
type bracket struct {
	key  string
	auto bool
}

// brackets reads what follows the first bracket. Text between two pairs and
// after the last one is ignored, as is a pair that is not closed, unless it is
// the first. ok is false if there are too many.
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

// urlDecode decodes as PHP does: plus is a space, %XX a byte, everything else
// itself.
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

package gatewayworker

import "strconv"

// AppendNull appends PHP's serialized null.
func AppendNull(dst []byte) []byte { return append(dst, 'N', ';') }

// AppendInt appends a serialized integer.
func AppendInt(dst []byte, n int64) []byte {
	dst = append(dst, 'i', ':')
	return append(strconv.AppendInt(dst, n, 10), ';')
}

// AppendString appends a serialized string of any bytes.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, 's', ':')
	dst = strconv.AppendInt(dst, int64(len(s)), 10)
	dst = append(dst, ':', '"')
	dst = append(dst, s...)
	return append(dst, '"', ';')
}

// AppendArray appends the start of an array of n elements. n pairs of a key
// ([AppendKey], [AppendInt]) and a value must follow, then [AppendEnd].
func AppendArray(dst []byte, n int) []byte {
	dst = append(dst, 'a', ':')
	dst = strconv.AppendInt(dst, int64(n), 10)
	return append(dst, ':', '{')
}

// AppendEnd ends an array.
func AppendEnd(dst []byte) []byte { return append(dst, '}') }

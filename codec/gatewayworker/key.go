package gatewayworker

import (
	"math"
	"strconv"
)

// IsIntKey reports whether PHP turns the array key into an integer, that is,
// whether it is the canonical decimal form of a signed 64-bit integer (section
// 5.2).
func IsIntKey[T string | []byte](key T) bool {
	digits := key
	if len(key) > 0 && key[0] == '-' {
		digits = key[1:]
	}
	if len(digits) == 0 || len(digits) > 19 || digits[0] == '0' && len(key) > 1 {
		return false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	if len(digits) < 19 {
		return true
	}
	limit := "9223372036854775807"
	if len(digits) < len(key) {
		limit = "9223372036854775808"
	}
	return string(digits) <= limit
}

// EmptyName reports whether PHP considers a uid or group empty. Commands to
// bind, join, leave or ungroup it are ignored (sections 3.2 and 3.3).
func EmptyName[T string | []byte](name T) bool {
	return len(name) == 0 || len(name) == 1 && name[0] == '0'
}

// AppendKey appends a key of a serialized array: an integer if PHP turns it
// into one, else a string.
func AppendKey[T string | []byte](dst []byte, key T) []byte {
	if !IsIntKey(key) {
		return AppendString(dst, key)
	}
	dst = append(dst, 'i', ':')
	dst = append(dst, key...)
	return append(dst, ';')
}

// AppendKeyValue appends a key that is read back as a value, as reply 26 does
// with the names of groups: "7" has become an integer. The bytes are those of
// [AppendKey].
func AppendKeyValue[T string | []byte](dst []byte, key T) []byte { return AppendKey(dst, key) }

// floatKey returns the key that PHP turns a float into: truncated, modulo 2^64,
// 0 if it is not finite (section 3.1).
func floatKey(f float64) int64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	f = math.Trunc(f)
	if f >= math.MinInt64 && f < -math.MinInt64 {
		return int64(f)
	}
	return int64(modulo64(f))
}

// modulo64 returns f modulo 2^64. f is a whole number of any size.
func modulo64(f float64) uint64 {
	const two64 = 1 << 63 * 2.0
	if f = math.Mod(f, two64); f < 0 {
		return -uint64(-f)
	}
	return uint64(f)
}

// connectionID reads the key of a connection id: 1 to 4294967295.
func connectionID(key []byte) (uint32, bool) {
	if !IsIntKey(key) || key[0] == '-' || len(key) > 10 {
		return 0, false
	}
	n, err := strconv.ParseUint(string(key), 10, 32)
	return uint32(n), err == nil && n > 0
}

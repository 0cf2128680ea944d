package knob

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/alecthomas/units"
)

// Duration is a setting such as 25s, 1m30s or 0.
type Duration time.Duration

// UnmarshalText parses what time.ParseDuration parses.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 25s, 1m30s or 0", text)
	}
	*d = Duration(v)
	return nil
}

// String is the shortest form of d that UnmarshalText parses: 25s, 1m30s, 0.
func (d Duration) String() string {
	v := time.Duration(d)
	switch {
	case v == 0:
		return "0"
	case v%time.Hour == 0:
		return strconv.FormatInt(int64(v/time.Hour), 10) + "h"
	case v%time.Minute == 0:
		return strconv.FormatInt(int64(v/time.Minute), 10) + "m"
	}
	return v.String()
}

// Size is a setting in bytes such as 65536, 64KiB or 1MiB.
type Size int

// UnmarshalText parses bytes with or without a unit; KB and KiB both mean 1024.
func (s *Size) UnmarshalText(text []byte) error {
	// Whole bytes are parsed here: units computes in float64, which has 53
	// bits.
	n, err := strconv.ParseInt(strings.TrimSuffix(string(text), "B"), 10, 64)
	if err != nil {
		var b units.Base2Bytes
		b, err = units.ParseBase2Bytes(string(text))
		if n = int64(b); n == math.MinInt64 || n == math.MaxInt64 {
			err = strconv.ErrRange
		}
	}
	if err != nil || n != int64(int(n)) {
		return fmt.Errorf("%q is not a size such as 65536, 64KiB or 1MiB", text)
	}
	*s = Size(n)
	return nil
}

// String writes s with the largest unit that divides it: 64KiB, 1000B.
func (s Size) String() string {
	for _, u := range []struct {
		bytes Size
		name  string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if s != 0 && s%u.bytes == 0 {
			return strconv.Itoa(int(s/u.bytes)) + u.name
		}
	}
	return strconv.Itoa(int(s)) + "B"
}

// Rate is a setting such as 10 or 0.5, a number per second.
type Rate float64

// UnmarshalText parses a number that is not negative.
func (r *Rate) UnmarshalText(text []byte) error {
	v, err := strconv.ParseFloat(string(text), 64)
	if err != nil || !(v >= 0) || math.IsInf(v, 0) {
		return fmt.Errorf("%q is not a rate such as 10 or 0.5", text)
	}
	*r = Rate(v)
	return nil
}

// String is the shortest form of r.
func (r Rate) String() string { return strconv.FormatFloat(float64(r), 'f', -1, 64) }

// Whole is kong's mapper of whole numbers, with an error for people.
func Whole(ctx *kong.DecodeContext, target reflect.Value) error {
	t, err := ctx.Scan.PopValue("number")
	if err != nil {
		return err
	}
	text := fmt.Sprint(t.Value)
	if target.CanUint() {
		n, err := strconv.ParseUint(text, 10, target.Type().Bits())
		if err != nil {
			return fmt.Errorf("%q is not a whole number from 0 to %d", text, uint64(1)<<target.Type().Bits()-1)
		}
		target.SetUint(n)
		return nil
	}
	n, err := strconv.ParseInt(text, 10, target.Type().Bits())
	if err != nil {
		return fmt.Errorf("%q is not a whole number", text)
	}
	target.SetInt(n)
	return nil
}

// flagValue is the mapper of a flag that has a value. kong's own errors show
// the wrong value, which may be a key that begins with -.
type flagValue struct {
	kong.Mapper
	flag *kong.Flag
}

// Decode implements kong.Mapper.
func (m flagValue) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	t := ctx.Scan.Peek()
	if t.IsEOL() {
		return errors.New("a value is missing")
	}
	if text, ok := t.Value.(string); ok && text == "" && m.flag.IsSlice() && refusesEmpty(m.flag) {
		return emptyError(m.flag) // also among other values
	}
	if t.Type == kong.UntypedToken { // a value after = may begin with anything
		text := t.String()
		if likeFlag(text) {
			return fmt.Errorf("the value begins with -; write --%s=VALUE", m.flag.Name)
		}
		if sep := m.flag.Tag.Sep; m.flag.IsSlice() && sep != -1 && slices.ContainsFunc(strings.Split(text, string(sep)), likeFlag) {
			return fmt.Errorf("an item begins with -; write --%s=VALUE", m.flag.Name)
		}
	}
	return m.Mapper.Decode(ctx, target)
}

// likeFlag reports what kong takes for a flag: - alone stands for stdin.
func likeFlag(text string) bool { return len(text) > 1 && text[0] == '-' }

// Guard gives that mapper to every flag of a command and of those below
// it.
func Guard(n *kong.Node) {
	for _, f := range n.Flags {
		if _, done := f.Mapper.(flagValue); !done && !f.IsBool() {
			f.Mapper = flagValue{f.Mapper, f}
		}
	}
	for _, child := range n.Children {
		Guard(child)
	}
}

package token

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"castgate/server/internal/integer"
)

// claims are those that count here.
type claims struct {
	jwt.RegisteredClaims
	// groups are as they stand in the token: strangers may send thousands, which are
	// not looked at before the signature is.
	groups []byte
	read   bool // an object was; null never gets to UnmarshalJSON
}

// claimNames are the claims that count. Others may be what they like.
var claimNames = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "groups"}

// UnmarshalJSON reads claims, see members. Each must have its type; groups,
// which no RFC defines, may be null for none. The error is a claimError where
// it is about one of them.
func (c *claims) UnmarshalJSON(text []byte) error {
	*c = claims{read: true}
	err := members(text, claimNames, func(name string, raw []byte) error {
		if c.take(name, raw) != nil {
			return claimError(name)
		}
		return nil
	})
	if twice, ok := errors.AsType[twiceError](err); ok {
		return claimError(twice)
	}
	return err
}

// claimError is the name of a claim that has a wrong type or value, or stands
// twice.
type claimError string

// Error implements error.
func (e claimError) Error() string { return "the claim " + string(e) + " is wrong" }

// take reads one claim.
func (c *claims) take(name string, raw []byte) (err error) {
	switch name {
	case "iss":
		c.Issuer, err = word(raw)
	case "sub":
		c.Subject, err = wordOrNumber(raw)
	case "aud":
		err = exactly(raw, &c.Audience)
	case "exp":
		c.ExpiresAt, err = date(raw)
	case "nbf":
		c.NotBefore, err = date(raw)
	case "iat":
		c.IssuedAt, err = date(raw)
	case "jti":
		c.ID, err = word(raw)
	case "groups":
		c.groups = bytes.Clone(raw)
	}
	return err
}

// mostDigits is that of ids that are numbers; longer ones are no names anyway.
const mostDigits = 1 << 10

// wordOrNumber is a string, or the digits of a whole number: the ids of users
// are numbers in many databases, and libraries put them into sub as they are.
// 7, 7.0 and 70e-1 are the same id; 1.5 is none.
func wordOrNumber(raw []byte) (string, error) {
	if raw[0] == '"' {
		return word(raw)
	}
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return "", errString
	}
	digits, ok := integer.Digits(raw, mostDigits)
	if !ok {
		return "", errString
	}
	return string(digits), nil
}

// names reads a list of strings or whole numbers from valid JSON; null is none.
func names(raw []byte) (list []string, err error) {
	if string(raw) == "null" {
		return nil, nil
	}
	rest, ok := bytes.CutPrefix(raw, []byte{'['})
	if !ok {
		return nil, errList
	}
	for {
		if rest = bytes.TrimLeft(rest, space+","); rest[0] == ']' {
			return list, nil
		}
		var item []byte
		item, rest = cutValue(rest)
		name, err := wordOrNumber(item)
		if err != nil {
			return nil, err
		}
		list = append(list, name)
	}
}

// maxDate is seconds that a time.Time surely holds. Above it could overflow, and
// what never begins would have begun.
const maxDate = 1 << 62

// date reads a NumericDate, which is a number (RFC 7519 section 2).
func date(raw []byte) (*jwt.NumericDate, error) {
	var seconds float64
	if err := exactly(raw, &seconds); err != nil {
		return nil, err
	}
	if math.Abs(seconds) > maxDate {
		return nil, fmt.Errorf("%g is no date", seconds)
	}
	return jwt.NewNumericDate(time.Unix(int64(seconds), 0)), nil
}

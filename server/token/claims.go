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

// claims are the claims that this package understands.
type claims struct {
	jwt.RegisteredClaims
	// groups is the claim as it stands in the token. A stranger's token can name
	// thousands of groups, so they are decoded only after the signature has been
	// checked.
	groups []byte
	read   bool // UnmarshalJSON has seen an object; it is not called for null
}

// claimNames are the claims that this package understands. It ignores all others.
var claimNames = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "groups"}

// UnmarshalJSON decodes claims as members does. Each claim must have its type.
// groups, which no RFC defines, may also be null, which means none. An error about
// one of the claims is a claimError.
func (c *claims) UnmarshalJSON(text []byte) error {
	*c = claims{read: true}
	err := members(text, claimNames, func(name string, raw []byte) error {
		if c.decode(name, raw) != nil {
			return claimError(name)
		}
		return nil
	})
	if duplicate, ok := errors.AsType[duplicateError](err); ok {
		return claimError(duplicate)
	}
	return err
}

// claimError is the name of a claim that appears twice or has a wrong type or
// value.
type claimError string

// Error implements error.
func (e claimError) Error() string { return "the claim " + string(e) + " is invalid" }

// decode decodes one claim.
func (c *claims) decode(name string, raw []byte) (err error) {
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

// maxDigits bounds an id that is a number. A longer one is too long for a name
// anyway.
const maxDigits = 1 << 10

// wordOrNumber decodes a string or a whole number. User ids are numbers in many
// databases, and libraries copy them into sub unchanged. 7, 7.0 and 70e-1 are the
// same id; 1.5 is not an id.
func wordOrNumber(raw []byte) (string, error) {
	if raw[0] == '"' {
		return word(raw)
	}
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return "", errString
	}
	digits, ok := integer.Digits(raw, maxDigits)
	if !ok {
		return "", errString
	}
	return string(digits), nil
}

// names decodes a list of strings or whole numbers from valid JSON. null is an
// empty list.
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

// maxDate is in seconds and safely within what a time.Time can hold. A larger nbf
// could overflow into the past, and the token would be valid at once.
const maxDate = 1 << 62

// date decodes a NumericDate, which is a JSON number (RFC 7519 section 2).
func date(raw []byte) (*jwt.NumericDate, error) {
	var seconds float64
	if err := exactly(raw, &seconds); err != nil {
		return nil, err
	}
	if math.Abs(seconds) > maxDate {
		return nil, fmt.Errorf("%g is out of range", seconds)
	}
	return jwt.NewNumericDate(time.Unix(int64(seconds), 0)), nil
}

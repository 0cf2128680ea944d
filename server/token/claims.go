package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"castgate/server/internal/object"
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

// UnmarshalJSON decodes claims as object.Known does. Each claim must have its type.
// groups, which no RFC defines, may also be null, which means none. An error about
// one of the claims is a claimError.
func (c *claims) UnmarshalJSON(text []byte) error {
	*c = claims{read: true}
	err := object.Known(text, claimNames, func(name string, raw []byte) error {
		if c.decode(name, raw) != nil {
			return claimError(name)
		}
		return nil
	})
	if duplicate, ok := errors.AsType[object.DuplicateError](err); ok {
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
		c.Issuer, err = object.Text(raw)
	case "sub":
		c.Subject, err = object.Name(raw)
	case "aud":
		err = exactly(raw, &c.Audience)
	case "exp":
		c.ExpiresAt, err = date(raw)
	case "nbf":
		c.NotBefore, err = date(raw)
	case "iat":
		c.IssuedAt, err = date(raw)
	case "jti":
		c.ID, err = object.Text(raw)
	case "groups":
		c.groups = bytes.Clone(raw)
	}
	return err
}

// names decodes a list of strings or whole numbers from valid JSON. null is an
// empty list.
func names(raw []byte) (list []string, err error) {
	if string(raw) == "null" {
		return nil, nil
	}
	err = object.Items(raw, func(item []byte) error {
		name, err := object.Name(item)
		list = append(list, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
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

var errNull = errors.New("null is not allowed")

// exactly decodes a value of the type of to. null is not a value of any type.
func exactly(raw []byte, to any) error {
	if string(raw) == "null" {
		return errNull
	}
	return json.Unmarshal(raw, to)
}

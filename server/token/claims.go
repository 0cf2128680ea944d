package token

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// claims are those that count here.
type claims struct {
	jwt.RegisteredClaims
	Groups []string
	read   bool // an object was; null never gets to UnmarshalJSON
}

// claimNames are the claims that count. Others may be what they like.
var claimNames = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "groups"}

// UnmarshalJSON reads claims, see members. Each must have its type; groups,
// which no RFC defines, may be null for none.
func (c *claims) UnmarshalJSON(text []byte) error {
	*c = claims{read: true}
	return members(text, claimNames, func(name string, raw []byte) (err error) {
		switch name {
		case "iss":
			c.Issuer, err = word(raw)
		case "sub":
			c.Subject, err = word(raw)
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
			err = json.Unmarshal(raw, &c.Groups)
		}
		return err
	})
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

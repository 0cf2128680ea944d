package token

import (
	"encoding/base64"
	"strings"

	"castgate/server/internal/object"
)

// headerNames are the header parameters that this package understands.
var headerNames = []string{"alg", "b64", "crit", "kid", "typ"}

// header is what a token says about its signature.
type header struct {
	alg string
	kid string // key id; "" allows any key
}

// readHeader decodes a token's header as strictly as its claims.
func readHeader(token string) (h header, err error) {
	head, _, _ := strings.Cut(token, ".")
	text, err := base64.RawURLEncoding.Strict().DecodeString(head)
	if err != nil {
		return h, err
	}
	err = object.Known(text, headerNames, func(name string, raw []byte) (err error) {
		switch name {
		case "kid":
			h.kid, err = object.Text(raw)
		case "alg":
			h.alg, err = object.Text(raw)
		case "typ":
			_, err = object.Text(raw)
		case "crit": // extensions that the recipient must understand (RFC 7515 section 4.1.11)
			err = ErrInvalid
		case "b64": // must not be false in a JWT (RFC 7797 section 7)
			if string(raw) != "true" {
				err = ErrInvalid
			}
		}
		return err
	})
	return h, err
}

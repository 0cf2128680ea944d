package admission

import (
	"bytes"

	"castgate/codec"
)

const (
	// Subprotocol is what a page offers in addition to its token, so that something
	// else than the token is selected. codec.Upgrader selects it wherever it is offered,
	// so that a page with a token can connect where tokens are ignored.
	Subprotocol = "castgate"
	// bearerPrefix begins the offer that is a token. A token's characters are
	// those of a subprotocol (RFC 6455 section 4.1, RFC 7515 section 3.1).
	bearerPrefix = "bearer."
)

// credential is what a request's head has for Policy.JWT.
type credential struct {
	token    []byte // nil: none
	selected []byte // the offer of a token that is to be the answer; nil: none
	named    bool   // Subprotocol is offered, and the answer
	several  bool   // several tokens in Sec-WebSocket-Protocol
	bad      bool   // one there has a character that no subprotocol has
}

// findToken looks for a token in a request's head. An empty token counts as none: a page
// without a user sends that.
func findToken(head []byte, j *JWT) (c credential) {
	var cookie []byte
	for name, value := range codec.Fields(head) {
		switch {
		case codec.IsField(name, "sec-websocket-protocol"):
			c.addOffers(value)
		case j.Cookie != "" && cookie == nil && codec.IsField(name, "cookie"):
			cookie, _ = codec.CookieValue(value, j.Cookie)
		}
	}
	if len(c.token) == 0 {
		c.token = cookie
	}
	if len(c.token) == 0 && j.Query != "" {
		c.token, _ = codec.QueryValue(codec.Query(head), j.Query)
	}
	return c
}

// addOffers adds the offers of one Sec-WebSocket-Protocol field. What is selected must
// be an offer, or a browser ends the connection: castgate if the page offers
// it, so that the token is not sent back; otherwise that of the token.
func (c *credential) addOffers(value []byte) {
	for more := true; more; {
		var item []byte
		item, value, more = bytes.Cut(value, []byte{','})
		item = bytes.Trim(item, " \t")
		switch {
		case string(item) == Subprotocol:
			c.named = true
		case bytes.HasPrefix(item, []byte(bearerPrefix)):
			c.several = c.several || c.token != nil
			c.bad = c.bad || !codec.IsToken(item)
			c.token = item[len(bearerPrefix):]
			if c.selected == nil {
				c.selected = item
			}
		}
	}
}

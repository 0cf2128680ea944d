package stress

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"time"

	"castgate/internal/wstest"
)

// bearer is a token for a uid, valid between two times.
func (j *jumps) bearer(uid string, from, until time.Time) string {
	return hs256(j.secret, wstest.M{"sub": uid, "nbf": from.Unix(), "exp": until.Unix()})
}

// hs256 is a token with these claims, signed with HS256 (RFC 7519).
func hs256(secret []byte, claims wstest.M) string {
	text, _ := json.Marshal(claims)
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." +
		base64.RawURLEncoding.EncodeToString(text)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func presenting(token string) wstest.DialOptions {
	return wstest.DialOptions{Subprotocols: []string{"castgate", "bearer." + token}}
}

// admitted connects a client with a token that is valid by the gateway's clock.
func (j *jumps) admitted(t *Trial, s *site, token string) *wstest.Client {
	c, _, err := s.TryDial(t, presenting(token))
	t.Must(err == nil, "a good token at %v: %v", j.clock.Now(), err)
	s.expect(handshakesOK, 1)
	return c
}

// refused connects with a token that is not valid.
func (j *jumps) refused(t *Trial, s *site, token, why string) {
	_, resp, err := s.TryDial(t, presenting(token))
	t.Check(err != nil && resp != nil && resp.StatusCode == http.StatusUnauthorized, "a token at %v: %v, %v, want 401", j.clock.Now(), resp, err)
	s.expect(handshakes(why), 1)
}

// expires waits until a client is closed because its token has expired.
func (j *jumps) expires(t *Trial, s *site, c *wstest.Client) {
	code, _ := c.Ended()
	t.Equal("the close code after a token has expired", code, 3401)
	t.run("the client with the token", numbersOf(c))
	s.addReceived(len(c.Messages()))
	s.expect(closes("token_expired"), 1)
}

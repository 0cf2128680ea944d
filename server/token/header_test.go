package token

import (
	"errors"
	"testing"
)

// A header parameter that is understood appears once, under its exact name and with
// a value of its type.
func TestHeaderIsExact(t *testing.T) {
	v := New(Rules{Keys: allKeys(t)}, clock)
	for header, want := range map[string]error{
		hs256: nil,
		`{"alg":"HS256","kid":"a","KID":7,"Crit":1,"jwk":{"kty":"oct"}}`: nil,
		`{"alg":"HS256","ALG":"none","b64":true}`:                        nil,
		`{"Alg":"HS256"}`:                       ErrInvalid,
		`{"alg":"none","alg":"HS256"}`:          ErrInvalid,
		`{"alg":"HS256","alg":"HS256"}`:         ErrInvalid,
		`{"alg":"HS256","kid":7}`:               ErrInvalid,
		`{"alg":"HS256","kid":null}`:            ErrInvalid,
		`{"alg":"HS256","kid":"","kid":1}`:      ErrInvalid,
		"{\"alg\":\"HS256\",\"kid\":\"a\xff\"}": ErrInvalid,
		`{"alg":"HS256","kid":"\ud800"}`:        ErrInvalid,
		`{"alg":"HS256","crit":null}`:           ErrInvalid,
		`{"alg":"HS256","b64":false}`:           ErrInvalid,
		`{"alg":"HS256","b64":true,"b64":true}`: ErrInvalid,
		`{"alg":"HS256","typ":7}`:               ErrInvalid,
		`{"alg":"HS256"}{}`:                     ErrInvalid,
		`null`:                                  ErrInvalid,
	} {
		if _, err := v.Verify(signText(t, header, `{"sub":"ann"}`)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", header, err, want)
		}
	}
}

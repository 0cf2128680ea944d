package token

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
)

// signText signs header and claims with HS256, byte for byte as given.
func signText(t testing.TB, header, claims string) string {
	t.Helper()
	text := encode([]byte(header)) + "." + encode([]byte(claims))
	signature, err := jwt.SigningMethodHS256.Sign(text, secret)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + encode(signature)
}

const hs256 = `{"alg":"HS256","typ":"JWT"}`

// Names of claims match exactly, including case. A claim that is understood appears
// once, with a value of its type.
func TestClaimsAreExact(t *testing.T) {
	v := New(Rules{Keys: allKeys(t)}, clock)
	past, future := epoch.Unix()-60, epoch.Unix()+60
	for claims, want := range map[string]string{
		`{"sub":"ann","SUB":"eve"}`:                             "ann",
		`{"SUB":"eve","sub":"ann","Groups":["admin"]}`:          "ann",
		`{"sub":"ann","groups":["a"],"GROUPS":["admin"]}`:       "ann a",
		`{"sub":"ann","groups":null,"x":[{"sub":1,"sub":2}]}`:   "ann",
		`{"sub":"ann","exp":4611686018427387904}`:               "ann",
		`{"sub":"ann","x":1,"x":2}`:                             "ann",
		`{"\u0073ub":"ann","aud":["a"],"iss":"i","iat":1.5}`:    "ann",
		`{"sub":"\ud83d\ude00\\ud800"}`:                         "😀\\ud800",
		`{}`:                                                    "",
		fmt.Sprintf(`{"sub":"ann","exp":%d,"EXP":1}`, future):   "ann",
		fmt.Sprintf(`{"exp":%d,"EXP":%d}`, past, future):        "refused",
		fmt.Sprintf(`{"exp":%d,"exp":%d}`, past, future):        "refused",
		fmt.Sprintf(`{"exp":"%d"}`, future):                     "refused",
		fmt.Sprintf(`{"nbf":%d,"Nbf":%d}`, future, past):        "refused",
		`{"nbf":1e300}`:                                         "refused",
		`{"exp":9223372036854775807}`:                           "refused",
		`{"sub":"ann","sub":"eve"}`:                             "refused",
		`{"sub":"ann","\u0073ub":"eve"}`:                        "refused",
		`{"groups":["a"],"groups":["admin"]}`:                   "refused",
		`{"sub":null}`:                                          "refused",
		`{"sub":"ann","exp":null}`:                              "refused",
		`{"sub":"ann","nbf":null}`:                              "refused",
		`{"sub":"ann","iat":null}`:                              "refused",
		`{"sub":"ann","jti":7}`:                                 "refused",
		`null`:                                                  "refused",
		`[]`:                                                    "refused",
		`"sub"`:                                                 "refused",
		`{"sub":"ann"} {}`:                                      "refused",
		`{"sub":"ann"}x`:                                        "refused",
		"{\"sub\":\"a\xff\"}":                                   "refused",
		"{\"sub\":\"ann\",\"x\xff\":1}":                         "refused",
		`{"sub":"a\ud800"}`:                                     "refused",
		`{"sub":"a\udc00\ud800"}`:                               "refused",
		`{"sub":"a","groups":["\\\ud800\u0041"]}`:               "refused",
		`{"sub":"ann","sub":"ann"}`:                             "refused",
		`{"iss":"a","iss":"b"}`:                                 "refused",
		`{"aud":null}`:                                          "refused",
		`{"aud":["a",null]}`:                                    "refused",
		`{"sub":"ann","groups":{}}`:                             "refused",
		`{"sub":"ann","x":"\ud800"}`:                            "refused",
		"\xef\xbb\xbf{\"sub\":\"ann\"}":                         "refused",
		`{"sub":"ann","groups":["a"],"groups":null,"x":"\u00"}`: "refused",
	} {
		id, err := v.Verify(signText(t, hs256, claims))
		got := id.UID
		for _, g := range id.Groups {
			got += " " + g
		}
		if err != nil {
			got = "refused"
		}
		if got != want {
			t.Errorf("%s: %q, %v, want %q", claims, got, err, want)
		}
	}
}

// A rule is never satisfied by a claim with a different name.
func TestRulesAreExact(t *testing.T) {
	v := New(Rules{Keys: allKeys(t), Issuer: "login", Audience: "push"}, clock)
	for claims, want := range map[string]error{
		`{"iss":"login","aud":"push"}`:               nil,
		`{"iss":"login","aud":["x","push"]}`:         nil,
		`{"iss":"evil","ISS":"login","aud":"push"}`:  ErrIssuer,
		`{"ISS":"login","aud":"push"}`:               ErrIssuer,
		`{"iss":"login","AUD":"push"}`:               ErrAudience,
		`{"iss":"login","aud":"x","Aud":"push"}`:     ErrAudience,
		`{"iss":"login","aud":[]}`:                   ErrAudience,
		`{"iss":"evil","iss":"login","aud":"push"}`:  ErrInvalid,
		`{"iss":"login","aud":"x","aud":"push"}`:     ErrInvalid,
		`{"iss":null,"aud":"push"}`:                  ErrInvalid,
		`null`:                                       ErrInvalid,
		`{"iss":"login","aud":"push","exp":1.8e300}`: ErrInvalid,
	} {
		if _, err := v.Verify(signText(t, hs256, claims)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", claims, err, want)
		}
	}
}

// numbers matches lists that contain a number.
var numbers = regexp.MustCompile(`^\[(.*,)?\s*-?[0-9][0-9.eE+-]*\s*[,\]]`)

// Whole numbers become names digit for digit, however a library writes them. Any
// other value that is not a string is refused, and the error names the claim.
func TestNumbersAreNames(t *testing.T) {
	v := New(Rules{Keys: allKeys(t)}, clock)
	for claims, want := range map[string]string{
		`{"sub":42}`:               "42 []",
		`{"sub": 0 }`:              "0 []",
		`{"sub":-7}`:               "-7 []",
		`{"sub":9007199254740993}`: "9007199254740993 []",
		`{"sub":123456789012345678901234567890123456789}`:   "123456789012345678901234567890123456789 []",
		`{"sub":"042","groups":[7,"news",-1, 12345678901]}`: "042 [7 news -1 12345678901]",
		`{"sub":"","groups":[]}`:                            " []",
		`{"sub":1.0}`:                                       "1 []",
		`{"sub":1.5}`:                                       "sub",
		`{"sub":1e3}`:                                       "1000 []",
		`{"sub":-1.0E+3}`:                                   "-1000 []",
		`{"sub":-0}`:                                        "0 []",
		`{"sub":1e-3}`:                                      "sub",
		`{"sub":1e5000}`:                                    "sub",
		`{"sub":1,"groups":[7.0]}`:                          "1 [7]",
		`{"sub":true}`:                                      "sub",
		`{"sub":null}`:                                      "sub",
		`{"sub":[42]}`:                                      "sub",
		`{"sub":{"id":42}}`:                                 "sub",
		`{"sub":1,"sub":2}`:                                 "sub",
		`{"sub":1,"groups":[1.5]}`:                          "groups",
		`{"groups":[null]}`:                                 "groups",
		`{"groups":["a",["b"]]}`:                            "groups",
		`{"groups":"a"}`:                                    "groups",
		`{"groups":7}`:                                      "groups",
		`{"iss":7}`:                                         "iss",
		`{"aud":7}`:                                         "aud",
		`{"exp":"tomorrow"}`:                                "exp",
		`{"exp":1800000060,"exp":1800000061}`:               "exp",
		`{"nbf":{}}`:                                        "nbf",
		`{"iat":false}`:                                     "iat",
		`{"jti":7}`:                                         "jti",
	} {
		id, err := v.Verify(signText(t, hs256, claims))
		got := fmt.Sprintf("%s %v", id.UID, id.Groups)
		if refusal, ok := errors.AsType[*Refusal](err); ok {
			if got = refusal.Claim; refusal.Reason != Claim || !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "claim "+want) {
				t.Errorf("%s: %v", claims, err)
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", claims, got, want)
		}
	}
}

// Claims that are accepted decode to the same values as in a map with exact names,
// and never contain a replacement character for input that could not be decoded.
func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"sub":"ann","groups":["a","b"],"exp":1800000060,"aud":"push","iss":"login"}`))
	f.Add([]byte(`{"sub":"ann","SUB":"eve"}`))
	f.Add([]byte(`{"sub":"ann","sub":"eve"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var c claims
		if c.UnmarshalJSON(text) != nil {
			return
		}
		var groups []string
		if c.groups != nil {
			var err error
			if groups, err = names(c.groups); err != nil {
				return
			}
		}
		var exact map[string]json.RawMessage
		if err := json.Unmarshal(text, &exact); err != nil || exact == nil || !utf8.Valid(text) {
			t.Fatalf("%q is accepted: %v", text, err)
		}
		for name, have := range map[string]any{"sub": c.Subject, "iss": c.Issuer, "groups": groups, "exp": c.ExpiresAt, "nbf": c.NotBefore} {
			raw, given := exact[name]
			switch have := have.(type) {
			case string:
				var s string
				if given && name == "sub" && raw[0] != '"' {
					var exact big.Rat
					if _, ok := exact.SetString(string(raw)); !json.Valid(raw) || !ok || exact.RatString() != have {
						t.Errorf("%q: sub is %q", text, have)
					}
				} else if given && json.Unmarshal(raw, &s) != nil || s != have {
					t.Errorf("%q: %s is %q, want %q", text, name, have, s)
				}
			case []string:
				var s []string
				if given && numbers.Match(raw) {
					continue
				}
				if given && json.Unmarshal(raw, &s) != nil || fmt.Sprint(s) != fmt.Sprint(have) {
					t.Errorf("%q: %s is %q, want %q", text, name, have, s)
				}
			case *jwt.NumericDate:
				var n float64
				if given != (have != nil) || given && (json.Unmarshal(raw, &n) != nil || have.Unix() != time.Unix(int64(n), 0).Unix()) {
					t.Errorf("%q: %s is %v, want %s", text, name, have, raw)
				}
			}
		}
	})
}

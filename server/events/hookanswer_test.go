package events

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"castgate/server/events/internal/post"
)

// A mistake in an answer decides nothing, and the error names the member that is wrong.
func TestHookMistakes(t *testing.T) {
	for answer, want := range map[string]string{
		// Different users must not become one.
		"{\"uid\":\"\xe9\"}":                   "not UTF-8",
		`{"uid":"\ud800"}`:                     "surrogate without its pair",
		`{"groups":["\udc00\ud800"]}`:          "surrogate without its pair",
		"{\"session\":{\"name\":\"\xc3\"}}":    "not UTF-8",
		`{"uid":"a","group":["x"]}`:            `unknown member "group"`,
		`{"UID":"a"}`:                          `unknown member "UID"`,
		`{"status":403}`:                       `unknown member "status"`,
		`{"uid":"a","uid":"b"}`:                `member "uid" twice`,
		`{"uid":"a","\u0075id":null}`:          `member "uid" twice`,
		`{"headers":{"A":"1","A":"2"}}`:        `header "A" twice`,
		`{"groups":null,"uid":"a","groups":1}`: `member "groups" twice`,
		`null`:                                 "the answer is not a JSON object",
		`{"uid":"a"} {}`:                       "the answer is not a JSON object",
		`{"uid":1.5}`:                          "the uid in the answer is neither a text nor an integer",
		`{"uid":true}`:                         "the uid in the answer is neither a text nor an integer",
		`{"uid":["a"]}`:                        "the uid in the answer is neither a text nor an integer",
		`{"groups":"lobby"}`:                   "groups in the answer is not a list",
		`{"groups":{"0":"lobby"}}`:             "groups in the answer is not a list",
		`{"groups":["a",null]}`:                "group 2 in the answer is neither a text nor an integer",
		`{"groups":["a",""]}`:                  "group 2 in the answer is not a name",
		`{"session":"a"}`:                      "the session in the answer is not an object",
		`{"headers":[]}`:                       "headers in the answer is not an object",
		`{"headers":{"A":1}}`:                  `the header "A" in the answer is neither a text nor a list of texts`,
	} {
		v, err := new(Hook).verdict(&post.Result{Outcome: post.Accepted, Status: 200, Body: []byte(answer)})
		if err == nil || !strings.Contains(err.Error(), want) || v.UID != "" || v.Groups != nil || v.Headers != "" {
			t.Errorf("%s: %+v, %v, want %q", answer, v, err, want)
		}
	}
}

// Ids are numbers in many databases. They count as their digits, as in tokens.
func TestHookIntegers(t *testing.T) {
	for uid, want := range map[string]string{"42": "42", "-7.0": "-7", "70e-1": "7", `"007"`: "007", "12345678901234567890": "12345678901234567890"} {
		answer := fmt.Sprintf(`{"uid":%s,"groups":[%s,"lobby"]}`, uid, uid)
		v, err := new(Hook).verdict(&post.Result{Outcome: post.Accepted, Status: 200, Body: []byte(answer)})
		if err != nil || v.UID != want || !slices.Equal(v.Groups, []string{want, "lobby"}) {
			t.Errorf("%s: %+v, %v, want %s", answer, v, err, want)
		}
	}
}

// A header that comes several times, such as Set-Cookie, is a list of texts.
func TestHookHeadersOfSeveralLines(t *testing.T) {
	for answer, want := range map[string]string{
		`{"headers":{"Set-Cookie":["b=2","a=1; Path=/"],"A":"x"}}`: "A: x\r\nSet-Cookie: b=2\r\nSet-Cookie: a=1; Path=/\r\n",
		`{"headers":{"A":[]}}`:                "",
		`{"headers":{"A":["x",1]}}`:           `the header "A" in the answer is neither a text nor a list of texts`,
		`{"headers":{"A":[["x"]]}}`:           `the header "A" in the answer is neither a text nor a list of texts`,
		`{"headers":{"A":null}}`:              `the header "A" in the answer is neither a text nor a list of texts`,
		`{"headers":{"A":["x","y\r\nB: z"]}}`: "the header A in the answer has a character",
	} {
		v, err := new(Hook).verdict(&post.Result{Outcome: post.Accepted, Status: 200, Body: []byte(answer)})
		if err != nil && !strings.Contains(err.Error(), want) || err == nil && v.Headers != want || err != nil && want == "" {
			t.Errorf("%s: %q, %v, want %q", answer, v.Headers, err, want)
		}
	}
}

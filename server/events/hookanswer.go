package events

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"castgate/server/events/internal/post"
	"castgate/server/gateway"
)

// verdict reads an answer.
func (h *Hook) verdict(r *post.Result) (v gateway.ConnectVerdict, err error) {
	switch {
	case r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden:
		if len(r.Body) > mostRefusal {
			return v, fmt.Errorf("the body of a refusal has more than %d bytes", mostRefusal)
		}
		return gateway.ConnectVerdict{Status: r.Status, Body: r.Body, ContentType: printable(r.ContentType)}, nil
	case r.Outcome != post.Accepted:
		return v, r.Err
	case len(bytes.TrimSpace(r.Body)) == 0:
		return v, nil
	}
	var a struct {
		UID     *string           `json:"uid"`
		Groups  []string          `json:"groups"`
		Session json.RawMessage   `json:"session"`
		Headers map[string]string `json:"headers"`
	}
	if err := json.Unmarshal(r.Body, &a); err != nil {
		return v, errors.New("the answer is not an object with uid, groups, session and headers")
	}
	if a.UID != nil {
		if v.UID = *a.UID; !isName(v.UID) {
			return v, fmt.Errorf("the uid in the answer is not a name of 1 to %d bytes", gateway.MaxNameLen)
		}
	}
	if len(a.Groups) > mostHookGroups {
		return v, fmt.Errorf("the answer has %d groups, more than %d", len(a.Groups), mostHookGroups)
	}
	if i := slices.IndexFunc(a.Groups, func(g string) bool { return !isName(g) }); i >= 0 {
		return v, fmt.Errorf("group %d in the answer is not a name of 1 to %d bytes", i+1, gateway.MaxNameLen)
	}
	v.Groups = a.Groups
	if v.Session, err = firstSession(a.Session); err != nil {
		return v, err
	}
	v.Headers, err = headerLines(a.Headers)
	return v, err
}

func isName(s string) bool { return s != "" && len(s) <= gateway.MaxNameLen && utf8.ValidString(s) }

// firstSession checks a session, and takes its white space out.
func firstSession(text json.RawMessage) (json.RawMessage, error) {
	text = bytes.TrimSpace(text)
	if len(text) == 0 || string(text) == "null" {
		return nil, nil
	}
	if text[0] != '{' {
		return nil, errors.New("the session in the answer is not an object")
	}
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		return nil, err
	}
	if b.Len() > gateway.MaxSessionLen {
		return nil, fmt.Errorf("the session in the answer has %d bytes, more than %d", b.Len(), gateway.MaxSessionLen)
	}
	return b.Bytes(), nil
}

// ownHeaders are those that belong to the handshake; with sec-websocket- before the
// name, all do.
var ownHeaders = []string{"connection", "upgrade", "content-length", "transfer-encoding", "keep-alive", "te", "trailer"}

// headerLines makes lines of headers for the 101, such as Set-Cookie.
func headerLines(headers map[string]string) (string, error) {
	var names []string
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	lines := ""
	for _, name := range names {
		lower := strings.ToLower(name)
		switch {
		case name == "" || strings.ContainsFunc(name, notToken):
			return "", fmt.Errorf("%.64q in the answer is not the name of a header", name)
		case slices.Contains(ownHeaders, lower), strings.HasPrefix(lower, "sec-websocket-"):
			return "", fmt.Errorf("the header %.64s in the answer belongs to the handshake", name)
		case printable(headers[name]) != headers[name]:
			return "", fmt.Errorf("the header %.64s in the answer has a character that is not printable ASCII", name)
		}
		lines += name + ": " + headers[name] + "\r\n"
	}
	if len(lines) > mostHeaders {
		return "", fmt.Errorf("the headers in the answer have %d bytes, more than %d", len(lines), mostHeaders)
	}
	return lines, nil
}

// notToken tells what may not be in the name of a header (RFC 9110 section 5.6.2).
func notToken(c rune) bool {
	return (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
}

// printable is text if all of it is printable ASCII, and else "".
func printable(text string) string {
	if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' }) {
		return ""
	}
	return text
}

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
	"castgate/server/internal/object"
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
	a, err := readAnswer(r.Body)
	if err != nil {
		return v, err
	}
	v.Headers, err = headerLines(a.headers)
	if err != nil {
		return gateway.ConnectVerdict{}, err
	}
	v.UID, v.Groups, v.Session = a.uid, a.groups, a.session
	return v, nil
}

// hookAnswer is the body of an answer that lets a client in.
type hookAnswer struct {
	uid     string
	groups  []string
	session json.RawMessage
	headers map[string][]string
}

// readAnswer takes a body apart as strictly as the control API does: a mistake in the
// name of a member would let a client in without what the backend has decided. The
// error names the member. null is a member that is left out.
func readAnswer(body []byte) (a hookAnswer, err error) {
	seen := map[string]bool{}
	err = object.Members(body, func(text, raw []byte) error {
		name := string(text)
		if seen[name] {
			return fmt.Errorf("the answer has the member %.64q twice", name)
		}
		seen[name] = true
		return a.member(name, raw)
	})
	switch {
	case errors.Is(err, object.ErrObject):
		return a, errors.New("the answer is not a JSON object")
	case errors.Is(err, object.ErrText):
		return a, errors.New("the answer is not UTF-8, or has an escaped surrogate without its pair")
	}
	return a, err
}

// member reads one member.
func (a *hookAnswer) member(name string, raw []byte) (err error) {
	null := string(raw) == "null"
	switch name {
	case "uid":
		if !null {
			a.uid, err = answeredName("the uid", raw)
		}
	case "groups":
		if !null {
			a.groups, err = groupsOf(raw)
		}
	case "session":
		a.session, err = firstSession(raw)
	case "headers":
		if !null {
			a.headers, err = headersOf(raw)
		}
	default:
		err = fmt.Errorf("the answer has the unknown member %.64q; known are uid, groups, session and headers", name)
	}
	return err
}

// answeredName reads a text, or an integer as tokens have them, that may be a uid or a group.
func answeredName(what string, raw []byte) (string, error) {
	name, err := object.Name(raw)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s in the answer is neither a text nor an integer", what)
	case !isName(name):
		return "", fmt.Errorf("%s in the answer is not a name of 1 to %d bytes", what, gateway.MaxNameLen)
	}
	return name, nil
}

func groupsOf(raw []byte) (groups []string, err error) {
	err = object.Items(raw, func(item []byte) error {
		if len(groups) == mostHookGroups {
			return fmt.Errorf("the answer has more than %d groups", mostHookGroups)
		}
		name, err := answeredName(fmt.Sprint("group ", len(groups)+1), item)
		groups = append(groups, name)
		return err
	})
	if errors.Is(err, object.ErrList) {
		err = errors.New("groups in the answer is not a list")
	}
	return groups, err
}

// headersOf reads headers. One that comes several times, such as Set-Cookie, is a list.
func headersOf(raw []byte) (map[string][]string, error) {
	headers := map[string][]string{}
	err := object.Members(raw, func(text, raw []byte) error {
		name := string(text)
		if _, again := headers[name]; again {
			return fmt.Errorf("the answer has the header %.64q twice; write a list of its texts", name)
		}
		values := []string{}
		add := func(raw []byte) error {
			value, err := object.Text(raw)
			values = append(values, value)
			return err
		}
		err := object.Items(raw, add)
		if errors.Is(err, object.ErrList) {
			err = add(raw)
		}
		if err != nil {
			return fmt.Errorf("the header %.64q in the answer is neither a text nor a list of texts", name)
		}
		headers[name] = values
		return nil
	})
	if errors.Is(err, object.ErrObject) {
		err = errors.New("headers in the answer is not an object")
	}
	return headers, err
}

func isName(s string) bool { return s != "" && len(s) <= gateway.MaxNameLen && utf8.ValidString(s) }

// firstSession checks a session, and takes its white space out.
func firstSession(text json.RawMessage) (json.RawMessage, error) {
	if string(text) == "null" {
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
func headerLines(headers map[string][]string) (string, error) {
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
		}
		for _, value := range headers[name] {
			if printable(value) != value {
				return "", fmt.Errorf("the header %.64s in the answer has a character that is not printable ASCII", name)
			}
			lines += name + ": " + value + "\r\n"
		}
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

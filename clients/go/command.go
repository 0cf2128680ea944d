package castgate

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// command is a verb and its fields, by itself or in a batch.
type command struct {
	op   string
	body map[string]any
}

func newCommand(op string, fields ...any) command {
	body := make(map[string]any, len(fields)/2)
	for i := 0; i < len(fields); i += 2 {
		body[fields[i].(string)] = fields[i+1]
	}
	return command{op, body}
}

// safe tells whether the command may be executed twice.
func (c command) safe() bool {
	_, exclusive := c.body["exclusive"]
	return c.op != "push" && c.op != "kick" && !exclusive
}

// named is a list that is never null in JSON.
func named(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// put leaves out lists that are nil: an empty one names nobody.
func (c command) put(name string, list []string) {
	if list != nil {
		c.body[name] = list
	}
}

func bindCommand(clientID, uid string, groups []string, exclusive bool) command {
	c := newCommand("bind", "client_id", clientID, "uid", uid)
	if len(groups) > 0 {
		c.body["groups"] = groups
	}
	if exclusive {
		c.body["exclusive"] = "kick_old"
	}
	return c
}

func membershipCommand(op string, groups []string, m Members) command {
	c := newCommand(op, "groups", named(groups))
	c.put("client_ids", m.ClientIDs)
	c.put("uids", m.UIDs)
	return c
}

func onlineCommand(m Members) command {
	c := newCommand("online")
	c.put("client_ids", m.ClientIDs)
	c.put("uids", m.UIDs)
	return c
}

func countsCommand(groups, uids []string) command {
	c := newCommand("counts")
	c.put("groups", groups)
	c.put("uids", uids)
	return c
}

func kickCommand(to Targets, k Kick) command {
	c := newCommand("kick", "to", to)
	c.exclude(k.Exclude)
	if k.Code != 0 {
		c.body["code"] = k.Code
	}
	if k.Reason != "" {
		c.body["reason"] = k.Reason
	}
	if k.Text != "" {
		c.body["text"] = k.Text
	}
	return c
}

func (c command) exclude(x Exclude) {
	if x.ClientIDs != nil || x.UIDs != nil {
		c.body["exclude"] = x
	}
}

// encode is json.Marshal that refuses strings which are not UTF-8: Marshal would
// change them, and a name would become another one.
func encode(v any) ([]byte, error) {
	if bad := notUTF8(v); bad != "" {
		return nil, &Error{Code: CodeInvalidUtf8, Detail: fmt.Sprintf("%q is not UTF-8", bad)}
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, &Error{Code: CodeInvalidValue, Detail: err.Error(), Err: err}
	}
	return text, nil
}

// notUTF8 returns the first string of a command that is not UTF-8, "" if all are.
func notUTF8(v any) string {
	switch v := v.(type) {
	case string:
		if !utf8.ValidString(v) {
			return v
		}
	case []string:
		for _, s := range v {
			if !utf8.ValidString(s) {
				return s
			}
		}
	case Targets:
		return notUTF8([][]string{v.ClientIDs, v.UIDs, v.Groups})
	case Exclude:
		return notUTF8([][]string{v.ClientIDs, v.UIDs})
	case [][]string:
		for _, list := range v {
			if bad := notUTF8(list); bad != "" {
				return bad
			}
		}
	case map[string]any:
		for _, value := range v {
			if bad := notUTF8(value); bad != "" {
				return bad
			}
		}
	}
	return ""
}

// Message is what clients get: made by Text, JSON or Binary.
type Message struct {
	field  string
	value  any
	raw    []byte
	binary bool
}

// Text is a text message, which must be UTF-8 and may be empty.
func Text(text string) Message { return Message{field: "text", value: text, raw: []byte(text)} }

// Binary is a binary message. data must not be changed until the call has returned.
func Binary(data []byte) Message {
	return Message{field: "base64", value: base64.StdEncoding.EncodeToString(data), raw: data, binary: true}
}

// JSON is a text message: the value in JSON.
func JSON(value any) Message {
	text, err := json.Marshal(value)
	if err != nil {
		return Message{field: "json", value: unencodable{err}}
	}
	return Message{field: "json", value: json.RawMessage(text), raw: text}
}

// unencodable is a value whose error appears when the command is encoded.
type unencodable struct{ err error }

// MarshalJSON implements json.Marshaler.
func (u unencodable) MarshalJSON() ([]byte, error) { return nil, u.err }

// PushOption is one of Except and Wait.
type PushOption func(command)

// Except leaves out clients that the targets match.
func Except(x Exclude) PushOption { return func(c command) { c.exclude(x) } }

// Wait makes a push wait until its message has been written, or dropped, for every
// client. PushAnswer.Written then says for how many it was written.
func Wait() PushOption { return func(c command) { c.body["wait"] = "written" } }

func pushCommand(to Targets, m Message, options []PushOption) command {
	c := newCommand("push", "to", to)
	if m.field != "" { // a zero Message is answered no_payload
		c.body[m.field] = m.value
	}
	for _, option := range options {
		option(c)
	}
	return c
}

package events

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"castgate/server/gateway"
)

// encoder makes the JSON of events (CloudEvents 1.0, JSON event format). What it
// returns is valid until the next call.
type encoder struct {
	source   string // of this node
	instance string // of this process
	b        []byte
}

// instanceText is an instance as events show it.
func instanceText(instance uint64) string {
	const digits = "0123456789abcdef"
	var b [16]byte
	for i := range b {
		b[i] = digits[instance>>(60-4*i)&15]
	}
	return string(b[:])
}

// begin writes the attributes. sequence 0 is none.
func (e *encoder) begin(t Type, id eventName, at int64, subject, instance string, sequence uint32) {
	e.b = append(e.b[:0], idBefore...)
	e.b = id.append(e.b, e.instance)
	e.b = appendText(append(e.b, `","source":`...), e.source)
	e.b = append(append(append(e.b, `,"type":"`...), t.String()...), `","time":"`...)
	e.b = appendTime(e.b, at)
	e.b = append(e.b, '"')
	if subject != "" {
		e.b = appendText(append(e.b, `,"subject":`...), subject)
	}
	e.b = append(append(append(e.b, `,"datacontenttype":"application/json","instance":"`...), instance...), '"')
	if sequence > 0 {
		e.b = strconv.AppendUint(append(e.b, `,"sequence":`...), uint64(sequence), 10)
	}
	e.b = append(e.b, `,"data":{`...)
}

// end closes what begin has opened. Every member of data ends with a comma before.
func (e *encoder) end() []byte {
	e.b[len(e.b)-1] = '}'
	e.b = append(e.b, '}')
	return e.b
}

func (e *encoder) text(name, value string) {
	e.b = append(appendText(append(e.b, name...), value), ',')
}

func (e *encoder) nullable(name, value string) {
	if value == "" {
		e.b = append(append(e.b, name...), "null,"...)
		return
	}
	e.text(name, value)
}

func (e *encoder) number(name string, n uint64) {
	e.b = append(strconv.AppendUint(append(e.b, name...), n, 10), ',')
}

func (e *encoder) flag(name string, on bool) {
	e.b = append(strconv.AppendBool(append(e.b, name...), on), ',')
}

func (e *encoder) time(name string, at int64) {
	e.b = appendTime(append(append(e.b, name...), '"'), at)
	e.b = append(e.b, '"', ',')
}

func (e *encoder) list(name string, items []string) {
	e.b = append(append(e.b, name...), '[')
	for i, item := range items {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.b = appendText(e.b, item)
	}
	e.b = append(e.b, ']', ',')
}

// who writes what every event of a client says.
func (e *encoder) who(h *happening) {
	e.text(`"client_id":`, h.id)
	e.nullable(`"uid":`, h.uid)
	e.list(`"groups":`, h.groups)
	e.number(`"group_count":`, uint64(h.groupCount))
	if h.session == "" {
		e.b = append(e.b, `"session":null,`...)
	} else {
		e.b = append(append(append(e.b, `"session":`...), h.session...), ',')
	}
	e.nullable(`"remote_addr":`, remoteText(h))
	e.time(`"connected_at":`, h.connectedAt)
}

func remoteText(h *happening) string {
	if !h.remote.IsValid() {
		return ""
	}
	return h.remote.String()
}

// client makes the event of a happening.
func (e *encoder) client(h *happening, number uint64, sequence uint32) []byte {
	e.begin(h.kind, eventName{number: number}, h.at, h.id, e.instance, sequence)
	if h.kind == Message {
		e.message(h)
		return e.end()
	}
	e.who(h)
	switch h.kind {
	case Connected:
		e.nullable(`"path":`, h.path)
		e.nullable(`"query":`, h.query)
		e.nullable(`"user_agent":`, h.agent)
	case Bound, Unbound:
		e.nullable(`"previous_uid":`, h.previous)
	case Disconnected:
		e.text(`"reason":`, h.reason)
		e.number(`"code":`, uint64(h.code))
		e.number(`"duration_ms":`, uint64(max(0, h.at-h.connectedAt)/1000))
		e.number(`"bytes_in":`, h.traffic.BytesIn)
		e.number(`"bytes_out":`, h.traffic.BytesOut)
		e.number(`"messages_in":`, h.traffic.MessagesIn)
		e.number(`"messages_out":`, h.traffic.MessagesOut)
		e.flag(`"last_of_uid":`, h.lastOfUID)
	}
	return e.end()
}

// message writes what a client has sent: text as it is, anything else as base64.
func (e *encoder) message(h *happening) {
	e.text(`"client_id":`, h.id)
	e.nullable(`"uid":`, h.uid)
	e.flag(`"binary":`, h.binary)
	if !h.binary && utf8.Valid(h.payload) {
		e.b = appendText(append(e.b, `"text":`...), string(h.payload))
		e.b = append(e.b, ',')
		return
	}
	e.b = append(e.b, `"base64":"`...)
	e.b = base64.StdEncoding.AppendEncode(e.b, h.payload)
	e.b = append(e.b, '"', ',')
}

// uid makes an event of a uid.
func (e *encoder) uid(t Type, id eventName, at int64, uid string) []byte {
	e.begin(t, id, at, uid, e.instance, 0)
	e.text(`"uid":`, uid)
	return e.end()
}

// lost makes the event that stands for events that nobody can be told any more.
// id begins its id, since it is of no record.
func (e *encoder) lost(number uint64, at int64, count uint64, why string) []byte {
	e.begin(Lost, eventName{number: number}, at, "", e.instance, 0)
	e.number(`"count":`, count)
	e.text(`"reason":`, why)
	return e.end()
}

// node makes an event of a node of a cluster.
func (e *encoder) node(t Type, id eventName, at int64, n gateway.LostNode) []byte {
	e.begin(t, id, at, "", e.instance, 0)
	e.number(`"node":`, uint64(n.Node))
	e.text(`"instance":`, instanceText(n.Instance))
	return e.end()
}

func appendTime(dst []byte, at int64) []byte {
	return time.UnixMicro(at).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
}

// appendText appends a JSON string. A byte that is not UTF-8 becomes U+FFFD and its two
// hex digits, as in the control API: so names that PHP gives stay different.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return appendEscaped(dst, s)
		}
	}
	return append(append(append(dst, '"'), s...), '"')
}

func appendEscaped(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
		default:
			dst = utf8.AppendRune(dst, r)
			if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
				dst = append(dst, digits[s[i]>>4], digits[s[i]&15])
			}
		}
	}
	return append(dst, '"')
}

// told is what is read back of an event of a client: after a crash, to say its end.
type told struct {
	Subject string `json:"subject"`
	Data    struct {
		UID         *string         `json:"uid"`
		Groups      json.RawMessage `json:"groups"`
		GroupCount  json.RawMessage `json:"group_count"`
		Session     json.RawMessage `json:"session"`
		RemoteAddr  *string         `json:"remote_addr"`
		ConnectedAt string          `json:"connected_at"`
	} `json:"data"`
}

// ended makes the disconnected event of a client of which only its last event is
// known. instance is that of the process that it was a client of. Counters are
// null: nobody knows them.
func (e *encoder) ended(t *told, number uint64, at int64, instance string, sequence uint32, reason string) []byte {
	e.begin(Disconnected, eventName{number: number}, at, t.Subject, instance, sequence)
	e.text(`"client_id":`, t.Subject)
	e.nullable(`"uid":`, orEmpty(t.Data.UID))
	e.raw(`"groups":`, t.Data.Groups, "[]")
	e.raw(`"group_count":`, t.Data.GroupCount, "null") // null: in a log of before it was kept
	e.raw(`"session":`, t.Data.Session, "null")
	e.nullable(`"remote_addr":`, orEmpty(t.Data.RemoteAddr))
	e.nullable(`"connected_at":`, t.Data.ConnectedAt)
	e.text(`"reason":`, reason)
	e.number(`"code":`, 1006)
	e.b = append(e.b, `"duration_ms":null,"bytes_in":null,"bytes_out":null,"messages_in":null,"messages_out":null,"last_of_uid":null,`...)
	return e.end()
}

// carry makes what is kept of a client whose last event is dropped from the log:
// a told without the rest.
func (e *encoder) carry(t *told) []byte {
	e.b = appendText(append(e.b[:0], `{"subject":`...), t.Subject)
	e.b = append(e.b, `,"data":{`...)
	e.nullable(`"uid":`, orEmpty(t.Data.UID))
	e.raw(`"groups":`, t.Data.Groups, "[]")
	e.raw(`"group_count":`, t.Data.GroupCount, "null") // null: in a log of before it was kept
	e.raw(`"session":`, t.Data.Session, "null")
	e.nullable(`"remote_addr":`, orEmpty(t.Data.RemoteAddr))
	e.nullable(`"connected_at":`, t.Data.ConnectedAt)
	return e.end()
}

// carryUID is carry for a uid that was said to be online by the event with an id.
func (e *encoder) carryUID(id, uid string) []byte {
	e.b = append(append(append(e.b[:0], idBefore...), id...), `","subject":`...)
	e.b = append(appendText(e.b, uid), '}')
	return e.b
}

func (e *encoder) raw(name string, value json.RawMessage, none string) {
	if len(value) == 0 {
		value = json.RawMessage(none)
	}
	e.b = append(append(append(e.b, name...), value...), ',')
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

package events

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"

	"castgate/server/gateway"
)

// idBefore stands before the id of every event.
const idBefore = `{"specversion":"1.0","id":"`

// eventID is the id of an event.
func eventID(body []byte) string {
	if !bytes.HasPrefix(body, []byte(idBefore)) {
		return ""
	}
	id, _, _ := bytes.Cut(body[len(idBefore):], []byte{'"'})
	return string(id)
}

// eventName is what the id of an event is made of: the number of its record, or a text
// that is the same whichever node says it.
type eventName struct {
	number uint64
	text   string // "" unless it is such a text
}

// append appends the id.
func (n eventName) append(dst []byte, instance string) []byte {
	if n.text != "" {
		return append(dst, n.text...)
	}
	return strconv.AppendUint(append(append(dst, instance...), '-'), n.number, 10)
}

// sharedBefore begins ids that several nodes may give.
const sharedBefore = "shared-"

// sharedID is the id of an event that another node may say as well, made of what it
// says and of a stamp that stands for this time: shared-, the stamp, a hash.
func sharedID(t Type, subject string, stamp uint64) string {
	b := binary.BigEndian.AppendUint64(nil, stamp)
	sum := sha256.Sum256(append(append(b, t.String()...), " "+subject...))
	return sharedBefore + instanceText(stamp) + "-" + hex.EncodeToString(sum[:8])
}

// stampOf is the stamp in such an id; 0 for others.
func stampOf(id string) uint64 {
	text, shared := strings.CutPrefix(id, sharedBefore)
	digits, _, _ := strings.Cut(text, "-")
	stamp, err := strconv.ParseUint(digits, 16, 64)
	if !shared || err != nil {
		return 0
	}
	return stamp
}

// sharedIDs remembers where some events with shared ids are: those with which a page of
// the feed has ended are asked for soon.
type sharedIDs struct {
	mu     sync.Mutex
	number map[string]uint64
	oldest []string

	searching sync.Mutex // one at a time reads the whole log
}

// mostShared is how many ids are remembered.
const mostShared = 1024

// note remembers where an event is.
func (s *sharedIDs) note(id string, number uint64) {
	if !strings.HasPrefix(id, sharedBefore) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.number == nil {
		s.number = map[string]uint64{}
	}
	if _, known := s.number[id]; !known {
		s.oldest = append(s.oldest, id)
	}
	s.number[id] = number
	if len(s.oldest) > mostShared {
		delete(s.number, s.oldest[0])
		s.oldest = s.oldest[1:]
	}
}

func (s *sharedIDs) find(id string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.number[id]
}

// findShared returns the number of the event with an id that several nodes may give. If
// it is not remembered, the log is searched.
func (e *Events) findShared(ctx context.Context, id string) (uint64, error) {
	if number := e.shared.find(id); number > 0 && number >= e.store.First() {
		return number, nil
	}
	e.shared.searching.Lock()
	defer e.shared.searching.Unlock()
	for r := e.store.NewReader(1); ctx.Err() == nil; {
		rec, ok, err := r.Next()
		if err != nil {
			return 0, &gateway.Error{Code: gateway.CodeBusy, Detail: "the event log cannot be read: " + err.Error()}
		}
		if !ok {
			return 0, errGone
		}
		if rec.Kind != kindEvent {
			continue
		}
		if _, body, err := parseHeader(rec.Payload); err == nil && eventID(body) == id {
			e.shared.note(id, rec.Number)
			return rec.Number, nil
		}
	}
	return 0, &gateway.Error{Code: gateway.CodeBusy, Detail: "the event was not found in time"}
}

package events

import (
	"encoding/binary"
	"errors"
	"hash/fnv"
)

// The kinds of records in the store. All but places begin with a header.
const (
	kindEvent   = 'e' // an event to be told, as JSON
	kindHidden  = 'h' // the same of a type that was not asked for, but says who is there
	kindCarried = 'c' // what was known of a client or uid when its last event was dropped
	kindPlaces  = 'p' // how far the subscribers are
)

// header is what the gateway knows of an event without reading its JSON.
type header struct {
	kind     Type
	lane     uint8
	instance uint64 // of the process that the client was of
	key      uint64 // of the client or uid
	sequence uint32
	at       int64 // Unix time in microseconds
}

const headerLen = 1 + 1 + 8 + 8 + 4 + 8

// lanes is how many events of different clients may be on their way to a
// subscriber. The lane of an event is that of its client: so they stay in order.
const lanes = 16

func laneOf(key uint64) uint8 { return uint8(mix(key) >> 32 % lanes) }

// uidKey stands for a uid where clients have their key. It must be the same after
// a restart.
func uidKey(uid string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(uid))
	return h.Sum64()
}

func (h *header) append(dst []byte) []byte {
	dst = append(dst, byte(h.kind), h.lane)
	dst = binary.LittleEndian.AppendUint64(dst, h.instance)
	dst = binary.LittleEndian.AppendUint64(dst, h.key)
	dst = binary.LittleEndian.AppendUint32(dst, h.sequence)
	return binary.LittleEndian.AppendUint64(dst, uint64(h.at))
}

var errHeader = errors.New("the record is too short to be an event")

// parseHeader splits a record's payload.
func parseHeader(payload []byte) (h header, body []byte, err error) {
	if len(payload) < headerLen || Type(payload[0]) >= numTypes || payload[1] >= lanes {
		return h, nil, errHeader
	}
	h.kind, h.lane = Type(payload[0]), payload[1]
	h.instance = binary.LittleEndian.Uint64(payload[2:])
	h.key = binary.LittleEndian.Uint64(payload[10:])
	h.sequence = binary.LittleEndian.Uint32(payload[18:])
	h.at = int64(binary.LittleEndian.Uint64(payload[22:]))
	return h, payload[headerLen:], nil
}

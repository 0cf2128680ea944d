package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// A segment is a file of records, named after the number of its first one. It
// begins with a head:
//
//	"castgate"          8 bytes
//	version             4
//	CRC-32C of the rest 4
//	number of the first record, Unix milliseconds: 8 each
//
// A version to come has its checksum over the version as well: so it can be told from a
// version that is damaged.
//
// A record is
//
//	length of kind and payload   4 bytes
//	CRC-32C of the rest          4
//	number                       8
//	number less that of the first record of its Append   4
//	kind                         1
//	payload
//
// All numbers are little-endian. Where a length is 0 or the file ends, the
// segment ends. Numbers grow; they have gaps where a damaged piece was left out. A record
// of kindLost with the last number stands for what is lost at the end of a segment.
const (
	headLen    = 32
	recordHead = 4 + 4 + 8 + 4 + 1
	version    = 1
	// kindLost is the kind of a record that no reader gets.
	kindLost = 0
	// MaxPayload is the longest payload of a record in bytes.
	MaxPayload = 64 << 20
)

var (
	magic      = []byte("castgate")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// Record is one record of the log.
type Record struct {
	Number  uint64
	Kind    byte
	Payload []byte
}

// segment is one file. Its fields but index, end and size are static; those are
// guarded by Store.mu.
type segment struct {
	name    string
	file    File
	first   uint64 // number of the first record
	created time.Time
	damaged bool // its head is, until it is rewritten

	end   uint64  // one above the number of the last record that is safe
	size  int64   // bytes up to there
	index []place // some records, ascending
	last  time.Time
}

// place is where a record begins.
type place struct {
	number uint64
	offset int64
}

// indexStep is at most how many bytes are read in vain to find a record.
const indexStep = 64 << 10

func segmentName(first uint64) string { return fmt.Sprintf("%016x.log", first) }

// parseName returns the number that a name of a segment says.
func parseName(name string) (first uint64, ok bool) {
	n, err := fmt.Sscanf(name, "%016x.log", &first)
	return first, err == nil && n == 1 && name == segmentName(first)
}

func appendHead(dst []byte, first uint64, created time.Time) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint32(dst, version)
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, first)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(created.UnixMilli()))
	binary.LittleEndian.PutUint32(dst[start+12:], crc32.Checksum(dst[start+16:], castagnoli))
	return dst
}

var (
	errHead    = errors.New("it does not begin like a segment")
	errVersion = errors.New("it has version")
)

// parseHead reads the head of a segment. errHead: it is damaged.
func parseHead(b []byte) (first uint64, created time.Time, err error) {
	if len(b) < headLen || string(b[:8]) != string(magic) {
		return 0, time.Time{}, errHead
	}
	v, sum, rest := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:]), b[16:headLen]
	switch {
	case v != version && sum == crc32.Update(crc32.Checksum(b[8:12], castagnoli), castagnoli, rest):
		return 0, time.Time{}, fmt.Errorf("%w %d; this program writes version %d", errVersion, v, version)
	case v != version || sum != crc32.Checksum(rest, castagnoli):
		return 0, time.Time{}, errHead
	}
	return binary.LittleEndian.Uint64(rest), time.UnixMilli(int64(binary.LittleEndian.Uint64(rest[8:]))), nil
}

// appendRecord appends a record whose Append began with the number since.
func appendRecord(dst []byte, r *Record, since uint64) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(1+len(r.Payload)))
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, r.Number)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(r.Number-since))
	dst = append(dst, r.Kind)
	dst = append(dst, r.Payload...)
	binary.LittleEndian.PutUint32(dst[start+4:], crc32.Checksum(dst[start+8:], castagnoli))
	return dst
}

// parsed is a record and what stands around it.
type parsed struct {
	Record
	since  uint64
	length int // of the record in bytes
}

var (
	errShort  = errors.New("the record is not whole")
	errRecord = errors.New("the record's checksum is wrong")
)

// parseRecord reads the record at the beginning of b. io.EOF: the segment ends
// here. errShort: more bytes are needed, want of them all together.
func parseRecord(b []byte) (p parsed, want int, err error) {
	if len(b) < 4 {
		return p, recordHead, errShort
	}
	n := int(binary.LittleEndian.Uint32(b))
	switch {
	case n == 0:
		return p, 0, io.EOF
	case n > 1+MaxPayload:
		return p, 0, errRecord
	}
	length := recordHead - 1 + n
	if len(b) < length {
		return p, length, errShort
	}
	if crc32.Checksum(b[8:length], castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return p, 0, errRecord
	}
	p.Number = binary.LittleEndian.Uint64(b[8:])
	p.since = p.Number - uint64(binary.LittleEndian.Uint32(b[16:]))
	p.Kind = b[20]
	p.Payload = b[recordHead:length:length]
	p.length = length
	return p, 0, nil
}

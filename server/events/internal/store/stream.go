package store

import (
	"encoding/binary"
	"errors"
	"io"
)

// stream reads the records of a segment one after the other.
type stream struct {
	file  io.ReaderAt
	at    int64  // of the next record
	limit int64  // no record ends beyond it
	buf   []byte // what was read
	rest  []byte // of buf: what begins at at
}

// streamLen is how much a stream reads at once.
const streamLen = 128 << 10

// next returns the next record, which is valid until the next call. io.EOF: there
// is none. errShort and errRecord: what follows is none. Other errors are those of
// the file.
func (s *stream) next() (parsed, error) {
	for {
		p, want, err := parseRecord(s.rest)
		if err == nil {
			s.rest = s.rest[p.length:]
			s.at += int64(p.length)
			return p, nil
		}
		if !errors.Is(err, errShort) {
			return p, err
		}
		if s.at+int64(len(s.rest)) >= s.limit {
			if len(s.rest) == 0 {
				return p, io.EOF
			}
			return p, errShort
		}
		if err := s.fill(max(want, recordHead)); err != nil {
			return p, err
		}
	}
}

// fill reads so that rest has at least want bytes, or all there are.
func (s *stream) fill(want int) error {
	n := int(min(int64(max(want, streamLen)), s.limit-s.at))
	if cap(s.buf) < n {
		s.buf = make([]byte, n)
	}
	kept := copy(s.buf[:n], s.rest)
	m, err := s.file.ReadAt(s.buf[kept:n], s.at+int64(kept))
	s.rest = s.buf[:kept+m]
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if kept+m < n {
		s.limit = s.at + int64(kept+m) // the file is shorter than it was
	}
	return nil
}

// seek goes on reading at an offset.
func (s *stream) seek(at int64) { s.at, s.rest = at, nil }

// farAhead is how far the number of a record may be beyond the one expected for
// it to count when a damaged segment is searched for what is left of it.
const farAhead = 1 << 32

// resync looks behind a damaged piece, which begins where the stream is, for the
// first record that is whole. end is the number that was expected.
func (s *stream) resync(end uint64) (found parsed, at int64, ok bool, err error) {
	for from := s.at + 1; from+recordHead <= s.limit; from++ {
		if from < s.at || from+recordHead > s.at+int64(len(s.rest)) {
			s.seek(from)
			if err := s.fill(streamLen); err != nil {
				return found, 0, false, err
			}
		}
		b := s.rest[from-s.at:]
		if len(b) < recordHead {
			break
		}
		number := binary.LittleEndian.Uint64(b[8:])
		if n := binary.LittleEndian.Uint32(b); n == 0 || n > 1+MaxPayload || number < end || number-end > farAhead {
			continue
		}
		p, want, err := parseRecord(b)
		if errors.Is(err, errShort) && from+int64(want) <= s.limit {
			s.seek(from)
			if err := s.fill(want); err != nil {
				return found, 0, false, err
			}
			p, _, err = parseRecord(s.rest)
		}
		if err == nil {
			s.seek(from)
			return p, from, true, nil
		}
	}
	return found, 0, false, nil
}

package store

import (
	"errors"
	"io"
	"io/fs"
)

// Reader reads records in the order of their numbers, while others are appended
// and segments are dropped. For one goroutine at a time.
type Reader struct {
	store  *Store
	number uint64 // the lowest that comes next
	seg    *segment
	stream stream
}

// NewReader returns a Reader that begins with the first record that has this
// number or a higher one.
func (s *Store) NewReader(number uint64) *Reader { return &Reader{store: s, number: number} }

// Number is the lowest number that the next record may have.
func (r *Reader) Number() uint64 { return r.number }

// Seek goes on with the first record that has this number or a higher one.
func (r *Reader) Seek(number uint64) { r.number, r.seg = number, nil }

// Next returns the next record, whose payload is valid until the following call;
// ok is false where there is none yet. Records that were dropped, or turn out to
// be damaged, are passed over.
func (r *Reader) Next() (rec Record, ok bool, err error) {
	for {
		if r.seg == nil || r.stream.at >= r.stream.limit {
			if !r.locate() {
				return rec, false, nil
			}
		}
		at := r.stream.at
		p, err := r.stream.next()
		switch {
		case err == nil:
			if p.Number < r.number {
				continue
			}
			r.number = p.Number + 1
			if p.Kind == kindLost {
				continue
			}
			return p.Record, true, nil
		case errors.Is(err, io.EOF), errors.Is(err, errShort), errors.Is(err, errRecord):
			if !r.skipDamage(at) {
				return rec, false, nil
			}
		case errors.Is(err, fs.ErrClosed):
			r.seg = nil // it was dropped
		default:
			return rec, false, err
		}
	}
}

// locate finds the segment of the next record. It returns false if there is none
// yet.
func (r *Reader) locate() bool {
	s := r.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, seg := range s.segments {
		if r.number >= seg.end {
			continue
		}
		if seg == r.seg && r.stream.at < seg.size {
			r.stream.limit = seg.size
			return true
		}
		if seg == r.seg {
			continue // its last records are damaged
		}
		r.seg = seg
		r.stream.file, r.stream.limit = seg.file, seg.size
		r.stream.seek(seg.before(r.number).offset)
		return true
	}
	return false
}

// skipDamage passes over a record at an offset that was safe and is damaged now.
func (r *Reader) skipDamage(at int64) bool {
	r.store.log.Error("a record in the event log is damaged; it is skipped", "file", r.seg.name, "offset", at)
	r.stream.seek(at)
	_, begins, ok, err := r.stream.resync(r.number)
	if err == nil && ok {
		r.stream.seek(begins)
		return true
	}
	r.store.mu.RLock()
	end := r.seg.end
	r.store.mu.RUnlock()
	r.number, r.seg = max(r.number, end), nil
	return true
}

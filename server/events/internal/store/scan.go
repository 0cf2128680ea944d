package store

import (
	"errors"
	"io"
)

// scanned is what is left of a segment.
type scanned struct {
	pieces []piece
	end    uint64 // one above the last number
	size   int64  // of the file up to the last whole record
	junk   int64  // bytes behind that
	lost   uint64 // records that are missing between the pieces
	index  []place
}

// piece is a run of whole records.
type piece struct{ from, to int64 }

// scan reads the records of a segment, whatever its head is. Records from the number
// limit on do not count, since they stand in the next segment; 0 is no limit.
//
// What was torn by a loss of power is the end: nobody was told of it. But a
// record that was written after the damaged ones had been made safe proves that
// these were whole once; then what follows is kept. So it is in all segments but the
// last: each was begun when all before was safe.
func scan(f File, size int64, first, limit uint64) (scanned, error) {
	out := scanned{end: first, size: headLen}
	s := stream{file: f, at: headLen, limit: size}
	from, indexed := int64(headLen), int64(0)
	for {
		at := s.at
		p, err := s.next()
		switch {
		case err == nil && p.Number >= out.end && (limit == 0 || p.Number < limit):
			if at-indexed >= indexStep {
				out.index, indexed = append(out.index, place{p.Number, at}), at
			}
			out.end, out.size = p.Number+1, s.at
			continue
		case err == nil && limit != 0 && p.Number >= limit:
			out.close(from, size)
			out.junk = 0 // the next segment has it
			return out, nil
		case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errShort) && !errors.Is(err, errRecord):
			return out, err
		}
		s.seek(at)
		next, begins, err := s.beyond(out.end, limit)
		if err != nil {
			return out, err
		}
		out.close(from, size)
		if begins < 0 || limit != 0 && next >= limit {
			return out, nil
		}
		out.lost += next - out.end
		out.end, out.size = next, begins
		from = begins
		s.seek(begins)
	}
}

// beyond returns the number and offset of the first whole record behind a damaged one
// with the number end, if that one had been safe; an offset of -1 if not. All numbers
// below the limit were. Records of the same Append are no proof, but one behind them is.
func (s *stream) beyond(end, limit uint64) (number uint64, at int64, err error) {
	at = -1
	for {
		p, begins, ok, err := s.resync(end)
		if err != nil || !ok {
			return 0, -1, err
		}
		if at < 0 {
			number, at = p.Number, begins
		}
		if p.since > end || p.Number < limit {
			return number, at, nil
		}
		s.seek(begins + int64(p.length) - 1)
	}
}

// close ends the piece that began at from.
func (o *scanned) close(from, size int64) {
	if o.size > from {
		o.pieces = append(o.pieces, piece{from, o.size})
	}
	o.junk = size - o.size
}

package store

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"
	"time"
)

// Gap is a run of records that were safe once and are lost.
type Gap struct{ First, Count uint64 }

// damagedPrefix begins the names of files that were moved aside, and mostDamaged
// is how many of them are kept, the newest.
const (
	damagedPrefix = "damaged-"
	mostDamaged   = 8
)

// Open opens a log, or begins one in an empty directory. gaps are what was found
// missing; it is said once. What was being written when the process or the machine
// died is cut off in silence: nobody was told of it.
func Open(o Options) (s *Store, gaps []Gap, err error) {
	s = &Store{files: o.Files, segmentLen: o.SegmentLen, log: o.Log, now: o.Now, next: 1, grown: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	found, err := s.openSegments()
	if err != nil {
		return nil, nil, err
	}
	for i, seg := range found {
		limit := uint64(0)
		if i == 0 {
			s.next = seg.first // those before were dropped
		}
		if i+1 < len(found) {
			limit = found[i+1].first
		}
		lost, err := s.take(seg, limit)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", seg.name, err)
		}
		gaps = append(gaps, lost...)
	}
	if n := len(s.segments); n > 0 {
		s.next = max(s.next, s.segments[n-1].end)
	}
	s.broken = true // what stands behind the last record is not known to be gone
	return s, gaps, s.limitDamaged()
}

// openSegments opens all files that are named like segments, in order.
func (s *Store) openSegments() ([]*segment, error) {
	names, err := s.files.List()
	if err != nil {
		return nil, err
	}
	var found []*segment
	for _, name := range names {
		first, ok := parseName(name)
		switch {
		case !ok:
			continue
		case first == 0: // no record has that number
			if err := s.moveAside(name); err != nil {
				return nil, err
			}
			continue
		}
		f, err := s.files.Open(name)
		if err != nil {
			return nil, err
		}
		seg := &segment{name: name, file: f, first: first}
		if err := s.checkHead(seg); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		found = append(found, seg)
	}
	slices.SortFunc(found, func(a, b *segment) int { return cmp.Compare(a.first, b.first) })
	return found, nil
}

// checkHead reads the head of a segment. It had one when it got its name.
func (s *Store) checkHead(seg *segment) (err error) {
	if seg.size, err = seg.file.Size(); err != nil {
		return err
	}
	head := make([]byte, min(headLen, seg.size))
	if _, err := seg.file.ReadAt(head, 0); err != nil && seg.size >= headLen {
		return err
	}
	first, created, err := parseHead(head)
	if errors.Is(err, errVersion) {
		return err
	}
	if seg.damaged = err != nil || first != seg.first; seg.damaged {
		created = s.now()
	}
	seg.created, seg.last = created, created
	return nil
}

// take makes a segment one of the log. limit is the number with which the next
// segment begins: all lower ones were safe when it was begun. It is 0 for the last one.
func (s *Store) take(seg *segment, limit uint64) (gaps []Gap, err error) {
	below := limit
	if seg.damaged && limit == 0 {
		below = math.MaxUint64 // what is whole counts, though nothing proves it was safe
	}
	out, err := scan(seg.file, seg.size, seg.first, below)
	if err != nil {
		return nil, err
	}
	end, unknown := max(out.end, limit), false
	if seg.damaged && end == seg.first {
		end, unknown = end+1, true // it had a record, or it would not have been begun
	}
	if seg.damaged || out.lost > 0 || end > out.end {
		s.log.Error("the event log is damaged; the file is moved aside and its intact records are kept",
			"file", seg.name, "records_lost", out.lost+end-out.end, "or_more", unknown, "bytes", out.junk)
		if out.lost > 0 {
			gaps = append(gaps, Gap{seg.first, out.lost})
		}
		if end > out.end {
			gaps = append(gaps, Gap{out.end, end - out.end})
		}
		if err := s.rewrite(seg, &out, end); err != nil {
			return nil, err
		}
		if out, err = scan(seg.file, seg.size, seg.first, limit); err != nil {
			return nil, err
		}
		out.fill(seg)
	} else {
		if out.junk > 0 {
			s.log.Info("dropped an incomplete record at the end of the event log", "file", seg.name, "bytes", out.junk)
		}
		out.fill(seg)
		if err := seg.file.Truncate(seg.size); err != nil {
			return nil, err
		}
	}
	s.next = max(s.next, seg.end)
	s.segments = append(s.segments, seg)
	s.size += seg.size
	return gaps, nil
}

// fill gives a segment what a scan has found.
func (o *scanned) fill(seg *segment) { seg.end, seg.size, seg.index = o.end, o.size, o.index }

// rewrite moves a segment aside and makes one with its whole pieces in its place, whose
// numbers go up to end.
func (s *Store) rewrite(seg *segment, out *scanned, end uint64) error {
	const fresh = "rewritten.tmp"
	_ = s.files.Remove(fresh)
	f, err := s.files.Create(fresh)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(appendHead(nil, seg.first, seg.created), 0); err != nil {
		return err
	}
	at := int64(headLen)
	for _, p := range out.pieces {
		b := make([]byte, p.to-p.from)
		if _, err := seg.file.ReadAt(b, p.from); err != nil {
			return err
		}
		if _, err := f.WriteAt(b, at); err != nil {
			return err
		}
		at += int64(len(b))
	}
	if end > out.end {
		b := appendRecord(nil, &Record{Number: end - 1, Kind: kindLost}, end-1)
		if _, err := f.WriteAt(b, at); err != nil {
			return err
		}
		at += int64(len(b))
	}
	if err := f.Sync(); err != nil {
		return err
	}
	// A copy, so that the log has the one or the other whenever this is cut short.
	if err := s.copyAside(seg); err != nil {
		return err
	}
	_ = seg.file.Close()
	if err := s.files.Rename(fresh, seg.name); err != nil {
		return err
	}
	seg.file, seg.size, seg.damaged = f, at, false
	return s.files.Sync()
}

// copyAside keeps a copy of a damaged segment for people to look at.
func (s *Store) copyAside(seg *segment) error {
	name := s.aside(seg.name)
	f, err := s.files.Create(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, seg.size)
	if _, err := seg.file.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	_, err = f.WriteAt(b, 0)
	return err
}

// aside is the name under which a damaged file is kept.
func (s *Store) aside(name string) string {
	return fmt.Sprintf("%s%d-%s", damagedPrefix, s.now().UnixNano(), name)
}

// moveAside keeps a damaged file for people to look at.
func (s *Store) moveAside(name string) error {
	aside := s.aside(name)
	s.log.Error("a damaged file of the event log is moved aside", "file", name, "to", aside)
	return s.files.Rename(name, aside)
}

// limitDamaged removes the oldest files that were moved aside.
func (s *Store) limitDamaged() error {
	names, err := s.files.List()
	if err != nil {
		return err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, damagedPrefix) })
	slices.Sort(names)
	for _, name := range names[:max(0, len(names)-mostDamaged)] {
		if err := s.files.Remove(name); err != nil {
			return err
		}
	}
	return nil
}

package admission

import (
	"castgate/codec"
	"castgate/server/internal/quota"
)

// Meter is what is metered of what a client sends.
type Meter uint8

// The meters.
const (
	MeterMessages Meter = iota
	MeterBytes
	numMeters
)

// pageLen is how many clients a page of Meters has.
const pageLen = 256

// Meters are the allowances of the clients of one loop, by their slots. They take memory, in
// pages, only for clients that send something while there are rates. They belong to the
// loop's goroutine. The zero value is ready for use.
type Meters struct {
	rates [numMeters]quota.Rate // that the buckets belong to
	pages []*[pageLen][numMeters]quota.Bucket
}

// Reset gives a new client of a slot the whole burst.
func (m *Meters) Reset(slot uint32) {
	if page := int(slot / pageLen); page < len(m.pages) && m.pages[page] != nil {
		m.pages[page][slot%pageLen] = [numMeters]quota.Bucket{}
	}
}

// at returns the buckets of a slot. If the rates have changed, everybody has
// the whole burst: a reload closes nobody for what was sent before.
func (m *Meters) at(slot uint32, rates *[numMeters]quota.Rate) *[numMeters]quota.Bucket {
	if m.rates != *rates {
		*m = Meters{rates: *rates}
	}
	page := int(slot / pageLen)
	for page >= len(m.pages) {
		m.pages = append(m.pages, nil)
	}
	if m.pages[page] == nil {
		m.pages[page] = new([pageLen][numMeters]quota.Bucket)
	}
	return &m.pages[page][slot%pageLen]
}

// Take takes n messages or bytes out of a client's allowance. It returns false if there are
// not so many left: the client must be closed. now is the monotonic time in nanoseconds.
func (m *Meters) Take(r *Rules, slot uint32, which Meter, n int, now int64) bool {
	rate := r.rates[which]
	return !rate.Limits() || m.at(slot, &r.rates)[which].Take(rate, n, now)
}

// Discard frees the pages, once there are no rates.
func (m *Meters) Discard() {
	if m.pages != nil {
		*m = Meters{}
	}
}

// Pages is how many pages there are, with clients in them or without.
func (m *Meters) Pages() int { return len(m.pages) }

// IsMessage reports whether Policy.MessageRate counts an event: messages, at their first
// frame, and pings, which must be answered.
func IsMessage(ev *codec.Event) bool {
	return ev.Kind == codec.EventPing || ev.Kind == codec.EventData && ev.First
}

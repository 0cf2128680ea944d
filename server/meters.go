package server

import (
	"castgate/codec"
	"castgate/server/internal/quota"
)

// meters are the allowances of a loop's clients, in pages like their slots. A
// page is made when one of its clients sends something while rates are set, so
// without rates there are none. Owned by the loop.
type meters struct {
	rates [numMeters]quota.Rate // for which the buckets are
	pages []*[chunkLen][numMeters]quota.Bucket
}

// What is metered.
const (
	meterMessages = iota
	meterBytes
	numMeters
)

// meterTable says, by meter, why a client at its limit is closed.
var meterTable = [numMeters]closeReason{meterMessages: closeMessageRate, meterBytes: closeByteRate}

// reset gives a new client of a slot the whole burst.
func (m *meters) reset(slot uint32) {
	if page := int(slot / chunkLen); page < len(m.pages) && m.pages[page] != nil {
		m.pages[page][slot%chunkLen] = [numMeters]quota.Bucket{}
	}
}

// at returns the buckets of a slot. Where the rates have changed everybody has
// the whole burst: a reload closes nobody for what was sent before.
func (m *meters) at(slot uint32, rates *[numMeters]quota.Rate) *[numMeters]quota.Bucket {
	if m.rates != *rates {
		*m = meters{rates: *rates}
	}
	page := int(slot / chunkLen)
	for page >= len(m.pages) {
		m.pages = append(m.pages, nil)
	}
	if m.pages[page] == nil {
		m.pages[page] = new([chunkLen][numMeters]quota.Bucket)
	}
	return &m.pages[page][slot%chunkLen]
}

// discard gives the pages back, when there are no rates any more.
func (m *meters) discard() {
	if m.pages != nil {
		*m = meters{}
	}
}

// meter takes n from a client's allowance. One that has no more is closed, and
// what it still sends is not looked at.
func (l *loop) meter(slot uint32, c *conn, which, n int) bool {
	rates := &l.srv.policy.Load().rates
	if rate := rates[which]; !rate.Limits() || l.meters.at(slot, rates)[which].Take(rate, n, l.srv.now()) {
		return true
	}
	c.set(flagDeaf)
	why := meterTable[which]
	l.exit.startClose(slot, c, why, closeFrames[why], false)
	return false
}

// isMessage tells what Policy.MessageRate counts: messages, by their first
// part, and pings, which must be answered.
func isMessage(ev *codec.Event) bool {
	return ev.Kind == codec.EventPing || ev.Kind == codec.EventData && ev.First
}

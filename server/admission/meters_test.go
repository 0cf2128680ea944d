package admission

import (
	"testing"
	"time"
)

// take takes messages or bytes of one client until it may not, a step of time after each,
// and returns how many times it could.
func (r *rig) take(m *Meters, slot uint32, which Meter, n int, step time.Duration, most int) (times int) {
	for ; times < most; times++ {
		if !m.Take(r.Rules(), slot, which, n, r.ahead.Load()) {
			break
		}
		r.advance(step)
	}
	return times
}

// A client that keeps to its rate is never refused; one that is a tenth above it is,
// when the burst is used up.
func TestMessageRate(t *testing.T) {
	r := newRig(t, Policy{MessageRate: 10, MessageBurst: 20})
	var m Meters
	if n := r.take(&m, 1, MeterMessages, 1, time.Second/10, 400); n != 400 {
		t.Errorf("refused after %d messages at the rate", n)
	}
	// Each message takes 1 and gives back 10/11: 20 + n*10/11 >= n ends at 210.
	if n := r.take(&m, 2, MeterMessages, 1, time.Second/11, 1000); n < 208 || n > 212 {
		t.Errorf("refused after %d messages at 11/10 of the rate, want 210", n)
	}
	if n := r.take(&m, 2, MeterBytes, 1<<30, 0, 10); n != 10 {
		t.Error("bytes are limited without a rate of them")
	}
}

// The burst of bytes allows the largest message and a read, and grows with the message.
func TestByteBurst(t *testing.T) {
	r := newRig(t, Policy{ByteRate: 1000})
	var m Meters
	if n := r.take(&m, 1, MeterBytes, 1, 0, 1<<20); n != 1000+MaxRead {
		t.Errorf("%d bytes at once, want %d", n, 1000+MaxRead)
	}
	r.SetMaxMessage(5000)
	if n := r.take(&m, 1, MeterBytes, 1, 0, 1<<20); n != 5000+MaxRead {
		t.Errorf("%d bytes at once, want %d", n, 5000+MaxRead)
	}
	if _, err := r.Set(Policy{ByteRate: 1, ByteBurst: 5000 + MaxRead - 1}); err == nil {
		t.Error("a burst that does not allow the largest message")
	}
	r.set(Policy{ByteRate: 1, ByteBurst: 5000 + MaxRead})
}

// Meters take memory only where there are rates. A new client in an old one's slot has the
// whole burst, and so has everybody under new rates.
func TestMetersComeAndGo(t *testing.T) {
	r := newRig(t, Policy{})
	var m Meters
	if n := r.take(&m, 1000, MeterMessages, 1, 0, 10); n != 10 || m.Pages() != 0 {
		t.Errorf("%d messages, %d pages without rates", n, m.Pages())
	}
	m.Reset(1000) // a client of a page that is not there
	r.set(Policy{MessageRate: 1, MessageBurst: 2})
	if n := r.take(&m, 1000, MeterMessages, 1, 0, 10); n != 2 || m.Pages() != 1000/pageLen+1 {
		t.Errorf("%d messages, %d pages", n, m.Pages())
	}
	m.Reset(1000)
	if n := r.take(&m, 1000, MeterMessages, 1, 0, 10); n != 2 {
		t.Errorf("a new client may send %d messages", n)
	}
	r.set(Policy{MessageRate: 1, MessageBurst: 2}) // changes nothing
	if n := r.take(&m, 1000, MeterMessages, 1, 0, 10); n != 0 {
		t.Errorf("%d messages under the same rate", n)
	}
	r.set(Policy{MessageRate: 1, MessageBurst: 3})
	if n := r.take(&m, 1000, MeterMessages, 1, 0, 10); n != 3 {
		t.Errorf("%d messages under another rate", n)
	}
	r.set(Policy{})
	if m.Discard(); m.Pages() != 0 || r.take(&m, 1000, MeterMessages, 1, 0, 10) != 10 {
		t.Error("rates that were taken away hold, or take memory")
	}
}

package knob

import (
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	for _, tt := range []struct {
		text string
		want time.Duration
		back string
	}{
		{"25s", 25 * time.Second, "25s"}, {"0", 0, "0"}, {"0s", 0, "0"}, {"90s", 90 * time.Second, "1m30s"},
		{"2m", 2 * time.Minute, "2m"}, {"24h", 24 * time.Hour, "24h"}, {"150ms", 150 * time.Millisecond, "150ms"},
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(tt.text)); err != nil || time.Duration(d) != tt.want || d.String() != tt.back {
			t.Errorf("%q: %v written %q, %v; want %v written %q", tt.text, time.Duration(d), d, err, tt.want, tt.back)
		}
	}
	for _, text := range []string{"", "25", "25x", "soon"} {
		var d Duration
		if d.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is read as %v", text, d)
		}
	}
}

func TestSize(t *testing.T) {
	for _, tt := range []struct {
		text string
		want Size
		back string
	}{
		{"65536", 65536, "64KiB"}, {"64KiB", 65536, "64KiB"}, {"64KB", 65536, "64KiB"}, {"1MiB", 1 << 20, "1MiB"},
		{"1.5KiB", 1536, "1536B"}, {"0", 0, "0B"}, {"1000", 1000, "1000B"}, {"2GiB", 2 << 30, "2GiB"}, {"10B", 10, "10B"},
	} {
		var s Size
		if err := s.UnmarshalText([]byte(tt.text)); err != nil || s != tt.want || s.String() != tt.back {
			t.Errorf("%q: %d written %q, %v; want %d written %q", tt.text, int(s), s, err, int(tt.want), tt.back)
		}
	}
	for _, text := range []string{"", "64 KiB", "64kilo", "1e3", "99999999999999999999", "9999EiB"} {
		var s Size
		if s.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is read as %d", text, int(s))
		}
	}
}

package knob

import (
	"fmt"
	"strings"
	"testing"
)

func TestReadNetworks(t *testing.T) {
	got, warnings, err := Networks([]string{"10.1.2.3/8", " fd00::/8", "192.0.2.7", "::1", "::ffff:192.0.2.9", "0.0.0.0/0"})
	if want := "[10.0.0.0/8 fd00::/8 192.0.2.7/32 ::1/128 192.0.2.9/32 0.0.0.0/0]"; err != nil || fmt.Sprint(got) != want || fmt.Sprint(warnings) != "[10.1.2.3/8 is treated as 10.0.0.0/8]" {
		t.Errorf("%v, %q, %v; want %s", got, warnings, err, want)
	}
	for _, wrong := range []string{"", "10.0.0.0/33", "example.com", "10.0.0.0/", "/8", "10.0.0", "fe80::1%eth0/64", "fe80::1%eth0", "::ffff:10.0.0.0/90"} {
		if got, _, err := Networks([]string{"10.0.0.0/8", wrong}); err == nil || !strings.Contains(err.Error(), "neither") {
			t.Errorf("%q: %v, %v", wrong, got, err)
		}
	}
}

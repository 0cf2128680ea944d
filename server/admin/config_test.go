package admin

import (
	"strings"
	"testing"
)

// An address that other hosts can reach needs TLS and keys.
func TestConfig(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string // in the error; "" for none
	}{
		{Config{}, ""},
		{Config{Listen: "127.0.0.1:7274"}, ""},
		{Config{Listen: "[::1]:7274"}, ""},
		{Config{Listen: "localhost:0"}, ""},
		{Config{Listen: "7274"}, "not host:port"},
		{Config{Listen: "127.0.0.1:99999"}, "admin"},
		{Config{Listen: ":7274"}, "admin-tls-cert"},
		{Config{Listen: "0.0.0.0:7274", Keyed: true}, "admin-tls-cert"},
		{Config{Listen: "192.0.2.1:7274", Keyed: true}, "in the clear"},
		{Config{Listen: "gateway.example:7274", Keyed: true}, "admin-tls-cert"},
		{Config{Listen: "192.0.2.1:7274", TLSCert: "c", TLSKey: "k"}, "control-key"},
		{Config{Listen: "192.0.2.1:7274", TLSCert: "c", TLSKey: "k", Keyed: true}, ""},
		{Config{Listen: "127.0.0.1:7274", TLSCert: "c"}, "together"},
		{Config{TLSCert: "c", TLSKey: "k"}, "no effect"},
	} {
		err := c.config.Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.config, err, c.want)
		}
	}
}

package hostport

import "testing"

func TestCheck(t *testing.T) {
	for _, a := range []string{":0", ":7272", "127.0.0.1:65535", "[::1]:80", "[fe80::1%eth0]:80", "localhost:http", "a-b_c.example:1", "a.example.:1", "1a.2b:1"} {
		if err := Check(a); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, a := range []string{
		"", "7272", "host", ":", "host:", "127.0.0.1:", "[::1]:", ":65536", ":-1", ":+1", ":nosuchservice", "300.1.1.1:80", "127.1:80", "a b:1", "a..b:1", ".a:1", "a!:1",
		"[a]:1", "[::1:80", "::1:80", "b\u00fc.example:1", "a,b:1", "http://a:1",
	} {
		if err := Check(a); err == nil {
			t.Errorf("%q is accepted", a)
		}
	}
}

func TestSame(t *testing.T) {
	for _, try := range []struct {
		a, b string
		want bool
	}{
		{":1", ":1", true}, {":1", ":2", false}, {":0", ":0", false}, {":1", "127.0.0.1:1", true}, {"[::]:1", "0.0.0.0:1", true}, {"[::]:1", "10.0.0.1:01", true},
		{"127.0.0.1:1", "127.0.0.2:1", false}, {"127.0.0.1:1", "[::1]:1", false}, {"localhost:1", "127.0.0.1:1", true}, {"LOCALHOST.:1", "127.0.0.1:1", true},
		{"[::ffff:127.0.0.1]:1", "127.0.0.1:1", true}, {"[::ffff:0.0.0.0]:1", "127.0.0.1:1", true}, {"[0:0::1]:1", "[::1]:1", true},
		{"a.example:http", "A.Example:80", true}, {"a.example:80", "b.example:80", false}, {"unix:/x", ":1", false}, {"unix:/x", "unix:/x", false},
	} {
		if Same(try.a, try.b) != try.want || Same(try.b, try.a) != try.want {
			t.Errorf("%s and %s: not %v", try.a, try.b, try.want)
		}
	}
}

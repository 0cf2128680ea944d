package gatewayworker

import "testing"

// Connections are silent until their first command, the oldest first, and counted until they
// are removed.
func TestConnections(t *testing.T) {
	l := newStillLoop(t, func(c *Config) { c.MaxConns, c.MaxSilent = 4, 2 })
	cs := &l.connections
	a, _ := l.connect()
	b, _ := l.connect()
	if !cs.full() || cs.oldestSilent() != a || cs.at(a.fd) != a {
		t.Errorf("full %v, the oldest is a: %v", cs.full(), cs.oldestSilent() == a)
	}
	cs.spoken(a)
	cs.spoken(a)
	if cs.full() || cs.oldestSilent() != b {
		t.Errorf("full %v, the oldest is b: %v", cs.full(), cs.oldestSilent() == b)
	}
	c, _ := l.connect()
	cs.spoken(c)
	cs.remove(b)
	if cs.oldestSilent() != nil || cs.at(b.fd) != nil || l.count.connections.Load() != 2 {
		t.Errorf("%d connections", l.count.connections.Load())
	}
	d, _ := l.connect()
	cs.spoken(d)
	e, _ := l.connect()
	cs.spoken(e)
	if !cs.full() {
		t.Error("four connections are not all that there may be")
	}
	seen := map[*innerConn]bool{}
	for c := range cs.all() {
		cs.remove(c) // as when all are closed
		seen[c] = true
	}
	if len(seen) != 4 || l.count.connections.Load() != 0 {
		t.Errorf("%d were seen, %d are left", len(seen), l.count.connections.Load())
	}
}

// Without a key to send, whoever connects may command.
func TestConnectionsNeedKey(t *testing.T) {
	for _, secret := range []string{"", "secret"} {
		l := newStillLoop(t, func(c *Config) { c.Secret = secret })
		if c, _ := l.connect(); c.authorized != (secret == "") {
			t.Errorf("the key %q: authorized %v", secret, c.authorized)
		}
	}
}

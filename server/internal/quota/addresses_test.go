package quota

import (
	"encoding/binary"
	"net/netip"
	"sync"
	"testing"
)

var home = netip.MustParseAddr("203.0.113.7")

func TestConnsPerAddress(t *testing.T) {
	var table Addresses
	l := Limits{Conns: 3}
	admit := func(addr string, want Verdict) {
		t.Helper()
		if got := table.Admit(netip.MustParseAddr(addr), l, 0); got != want {
			t.Errorf("%s: verdict %d, want %d", addr, got, want)
		}
	}
	for _, addr := range []string{"203.0.113.7", "::ffff:203.0.113.7", "203.0.113.7"} {
		admit(addr, Admitted)
	}
	admit("203.0.113.7", TooMany)
	admit("::ffff:203.0.113.7", TooMany)
	admit("203.0.113.8", Admitted)
	for _, addr := range []string{"2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:0:8000::"} {
		admit(addr, Admitted)
	}
	admit("2001:db8::2", TooMany)
	admit("2001:db8:0:1::2", Admitted)
	admit("::", Admitted)
	table.Release(netip.MustParseAddr("::ffff:203.0.113.7"), 0)
	admit("203.0.113.7", Admitted)
	admit("203.0.113.7", TooMany)
	if n := table.Len(); n != 5 {
		t.Errorf("%d addresses, want 5", n)
	}
}

// An address that connects and disconnects continuously is admitted at exactly its
// rate.
func TestSustainedConnectRate(t *testing.T) {
	var table Addresses
	l := Limits{Connects: NewRate(5, 20)}
	admitted := 0
	const span = 600
	for now := int64(0); now < span*second; now += second / 50 {
		if table.Admit(home, l, now) == Admitted {
			admitted++
			table.Release(home, now)
		}
	}
	if want := 20 + 5*span; admitted < want-25 || admitted > want {
		t.Errorf("%d connects in %d s, want %d", admitted, span, want)
	}
	if table.Len() != 1 {
		t.Errorf("%d addresses are held", table.Len())
	}
	now := span*second + 10*second
	if table.Admit(home, l, now) != Admitted {
		t.Error("refused after a pause")
	}
	table.Release(home, now+second)
	if table.Len() != 0 {
		t.Error("an address with a full bucket is remembered")
	}
}

// What an address has used of one rate does not count under the next. An address
// that kept to the old rate is judged by the new one alone.
func TestAnotherConnectRate(t *testing.T) {
	for _, r := range []Rate{NewRate(1000, 1000), NewRate(1, 10), NewRate(0.1, 1)} {
		var table Addresses
		old := Limits{Connects: NewRate(1, 50)}
		for range 50 {
			if table.Admit(home, old, 0) != Admitted {
				t.Fatal("refused")
			}
		}
		if table.Admit(home, old, 0) != TooFast {
			t.Fatal("admitted above the old rate")
		}
		l := Limits{Connects: r}
		for i := range int(r.depth / r.interval) {
			if v := table.Admit(home, l, 1); v != Admitted {
				t.Fatalf("%+v: connect %d under the new rate: verdict %d", r, i, v)
			}
		}
		if v := table.Admit(home, l, 1); v != TooFast {
			t.Errorf("%+v: verdict %d above the new rate", r, v)
		}
	}
}

// Addresses that are remembered only for the old rate are forgotten.
func TestAnotherConnectRateForgets(t *testing.T) {
	var table Addresses
	l := Limits{Conns: 1, Connects: NewRate(0.001, 1)}
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	for i := range 10_000 {
		if table.Admit(addr(i), l, 0) != Admitted {
			t.Fatal("refused")
		}
		if i%2 == 0 {
			table.Release(addr(i), 1)
		}
	}
	l.Connects = NewRate(1, 1)
	for i := range 10_000 {
		if i%2 == 0 {
			continue
		}
		if v := table.Admit(addr(i), l, 2); v != TooMany {
			t.Fatalf("verdict %d for an address with a connection", v)
		}
	}
	if n := table.Len(); n != 5000 {
		t.Errorf("%d addresses are held, 5000 have a connection", n)
	}
	for i := range 10_000 {
		if i%2 == 1 {
			table.Release(addr(i), 3)
		}
	}
	if n := table.Len(); n != 0 {
		t.Errorf("%d addresses are held, none has a connection or used tokens", n)
	}
}

// A flood from a million networks leaves a bounded table, which still counts
// everybody's open connections.
func TestFloodOfNetworks(t *testing.T) {
	var table Addresses
	l := Limits{Conns: 1, Connects: NewRate(0.001, 1)}
	if table.Admit(home, l, 0) != Admitted {
		t.Fatal("refused")
	}
	for i := range uint64(1_000_000) {
		var b [16]byte
		binary.BigEndian.PutUint64(b[:], 0x2001_0db8_0000_0000+i)
		a := netip.AddrFrom16(b)
		if v := table.Admit(a, l, 1); v != Admitted {
			t.Fatalf("network %d: verdict %d", i, v)
		}
		table.Release(a, 2)
	}
	if n := table.Len(); n > shards*maxIdle+1 || n < shards*maxIdle/2 {
		t.Errorf("%d addresses are held", n)
	}
	if v := table.Admit(home, l, 1<<60); v != TooMany {
		t.Errorf("verdict %d for an address with a connection", v)
	}
}

func TestAddressesFromManyGoroutines(t *testing.T) {
	var table Addresses
	l := Limits{Conns: 2}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			a := netip.AddrFrom4([4]byte{10, 0, 0, byte(g % 2)})
			for range 2000 {
				if table.Admit(a, l, 0) == Admitted {
					table.Release(a, 0)
				}
			}
		})
	}
	wg.Wait()
	if n := table.Len(); n != 0 {
		t.Errorf("%d addresses are held", n)
	}
}

// A peer of a unix socket has no address.
func TestNetworkOfNoAddress(t *testing.T) {
	if n := Network(netip.Addr{}); n != 0 {
		t.Errorf("the key of an invalid address is %#x, want 0", n)
	}
}

package bench

import (
	"slices"
	"strings"
	"testing"
)

const slabs = `slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>
TCP                   92    143   2368   13    8 : tunables    0    0    0 : slabdata     11     11      0
tw_sock_TCP           10     20    256   16    1 : tunables    0    0    0 : slabdata     11     11      0
filp                 924    924    192   21    1 : tunables    0    0    0 : slabdata     44     44      0
dentry              1000   1000    192   21    1 : tunables    0    0    0 : slabdata     44     44      0
proc_inode_cache     500    500    768   21    4 : tunables    0    0    0 : slabdata     44     44      0
ext4_inode_cache     500    500    768   21    4 : tunables    0    0    0 : slabdata     44     44      0
`

func TestSlabsThatGrow(t *testing.T) {
	var before, after kernel
	if err := before.parseSlabs([]byte(slabs)); err != nil {
		t.Fatal(err)
	}
	// Ten connections: 13 TCP sockets, 21 files, and 100 looks into /proc.
	grown := strings.NewReplacer("   92 ", "  105 ", " 10     20 ", " 999    999 ", "  924    924", "  945    945", "1000   1000", "1100   1100", "500    500", "600    600").Replace(slabs)
	if err := after.parseSlabs([]byte(grown)); err != nil {
		t.Fatal(err)
	}
	list, sum := after.slabsSince(&before, 10)
	// A slab of 13 sockets takes 8 pages, one of 21 files takes one.
	page := float64(pageSize)
	close := func(a, b float64) bool { return a > b-1 && a < b+1 }
	if len(list) != 2 || list[0].name != "TCP" || !close(list[0].bytes, 0.8*page) || list[1].name != "filp" || !close(list[1].bytes, 0.1*page) || !close(sum, 0.9*page) {
		t.Errorf("%+v, %v", list, sum)
	}
	if list, _ := after.slabsSince(&before, 1000); slices.ContainsFunc(list, func(s slab) bool { return s.bytes < leastSlab }) {
		t.Errorf("%+v", list)
	}
}

func TestKernelParsers(t *testing.T) {
	k := kernel{sockets: -1, available: -1}
	if err := k.parseSockets([]byte("sockets: used 14\nTCP: inuse 2 orphan 0 tw 58 alloc 7 mem 235\nUDP: inuse 0 mem 0\n")); err != nil || k.sockets != 7 || k.buffers != 235*pageSize {
		t.Errorf("%v, %+v", err, k)
	}
	if err := k.parseMeminfo([]byte("MemTotal:  100 kB\nMemAvailable:   90 kB\n")); err != nil || k.available != 90<<10 {
		t.Errorf("%v, %+v", err, k)
	}
	broken := kernel{sockets: -1, available: -1}
	for name, err := range map[string]error{
		"version":   broken.parseSlabs([]byte("slabinfo - version: 3.0\n")),
		"slab line": broken.parseSlabs([]byte("slabinfo - version: 2.1\nTCP x 143 2368 13 8 : tunables\n")),
		"no pages":  broken.parseSlabs([]byte("slabinfo - version: 2.1\nTCP 1 143 2368 0 8 : tunables\n")),
		"sockstat":  broken.parseSockets([]byte("TCP: inuse 2\n")),
		"meminfo":   broken.parseMeminfo([]byte("MemFree: 1 kB\n")),
		"available": broken.parseMeminfo([]byte("MemAvailable: many\n")),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if broken.slabs != nil || broken.sockets != -1 || broken.available != -1 {
		t.Errorf("%+v", broken)
	}
}

// What can't be read is left out, and the result says why, once.
func TestKernelThatTellsNothing(t *testing.T) {
	var round samples
	b := &bench{result: newResult(Defaults())}
	none := usage{kernel: kernel{sockets: -1, available: -1}}
	all := none
	all.kernel.missing = []string{"slab caches: permission denied"}
	for range 2 {
		b.addKernel("memory, bare", Floor, &none, &all, 10, &round)
	}
	if len(round) != 0 || !slices.Equal(b.result.Skipped, []string{"memory: kernel: slab caches: permission denied"}) {
		t.Errorf("%+v, %q", round, b.result.Skipped)
	}
}

package kernel

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
	var before, after Memory
	if err := before.parseSlabs([]byte(slabs)); err != nil {
		t.Fatal(err)
	}
	// Ten connections: 13 TCP sockets, 21 files, and 100 looks into /proc.
	grown := strings.NewReplacer("   92 ", "  105 ", " 10     20 ", " 999    999 ", "  924    924", "  945    945", "1000   1000", "1100   1100", "500    500", "600    600").Replace(slabs)
	if err := after.parseSlabs([]byte(grown)); err != nil {
		t.Fatal(err)
	}
	list, sum, ok := after.SlabsSince(&before, 10)
	// A slab of 13 sockets takes 8 pages, one of 21 files takes one.
	page := float64(pageSize)
	close := func(a, b float64) bool { return a > b-1 && a < b+1 }
	if !ok || len(list) != 2 || list[0].Name != "TCP" || !close(list[0].Bytes, 0.8*page) || list[1].Name != "filp" || !close(list[1].Bytes, 0.1*page) || !close(sum, 0.9*page) {
		t.Errorf("%+v, %v", list, sum)
	}
	if list, _, _ := after.SlabsSince(&before, 1000); slices.ContainsFunc(list, func(s Slab) bool { return s.Bytes < leastSlab }) {
		t.Errorf("%+v", list)
	}
}

func TestKernelParsers(t *testing.T) {
	k := Memory{Sockets: -1, Available: -1}
	if err := k.parseSockets([]byte("sockets: used 14\nTCP: inuse 2 orphan 0 tw 58 alloc 7 mem 235\nUDP: inuse 0 mem 0\n")); err != nil || k.Sockets != 7 || k.Buffers != 235*pageSize {
		t.Errorf("%v, %+v", err, k)
	}
	if err := k.parseMeminfo([]byte("MemTotal:  100 kB\nMemAvailable:   90 kB\n")); err != nil || k.Available != 90<<10 {
		t.Errorf("%v, %+v", err, k)
	}
	broken := Memory{Sockets: -1, Available: -1}
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
	if broken.slabs != nil || broken.Sockets != -1 || broken.Available != -1 {
		t.Errorf("%+v", broken)
	}
}

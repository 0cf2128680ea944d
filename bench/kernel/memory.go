// Package kernel reads what the kernel says about its own memory.
package kernel

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Memory is what the kernel reports about its own memory, in bytes and for the
// whole machine: it includes both ends of each connection, since the swarm is
// on this machine too.
type Memory struct {
	// slabs are the slab caches by name. Nil if they cannot be read.
	slabs map[string]cache
	// Buffers is what TCP has allocated for data, Sockets the number of TCP
	// sockets; -1 if that cannot be read.
	Buffers, Sockets int64
	// Available is MemAvailable, -1 if that cannot be read.
	Available int64
	// Missing says what could not be read, and why.
	Missing []string
}

// cache is the part of a slab cache that is in use.
type cache struct {
	objects int64
	each    float64 // bytes per object, including its share of the cache's pages
}

// Read reads what is readable; Missing lists the rest.
func Read() Memory {
	k := Memory{Sockets: -1, Available: -1}
	read := func(path, what string, parse func([]byte) error) {
		b, err := os.ReadFile(path)
		if err == nil {
			err = parse(b)
		}
		if err != nil {
			k.Missing = append(k.Missing, fmt.Sprintf("%s: %v", what, err))
		}
	}
	read("/proc/slabinfo", "slab caches (root only)", k.parseSlabs)
	read("/proc/net/sockstat", "sockets", k.parseSockets)
	read("/proc/meminfo", "available memory", k.parseMeminfo)
	return k
}

var pageSize = int64(os.Getpagesize())

// parseSlabs parses /proc/slabinfo (slabinfo(5), version 2.1). Free objects of
// slabs in use are not counted: those left by the previous server would hide
// what this one takes.
func (k *Memory) parseSlabs(b []byte) error {
	if !bytes.HasPrefix(b, []byte("slabinfo - version: 2.")) {
		return errors.New("not version 2")
	}
	slabs := map[string]cache{}
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(line)
		// name active_objs num_objs objsize objperslab pagesperslab : ...
		if len(words) < 7 || words[6] != ":" || strings.HasPrefix(line, "#") {
			continue
		}
		active, err1 := strconv.ParseInt(words[1], 10, 64)
		perSlab, err2 := strconv.ParseInt(words[4], 10, 64)
		pages, err3 := strconv.ParseInt(words[5], 10, 64)
		if err := errors.Join(err1, err2, err3); err != nil || perSlab <= 0 {
			return fmt.Errorf("line %q", strings.TrimSpace(line))
		}
		slabs[words[0]] = cache{active, float64(pages*pageSize) / float64(perSlab)}
	}
	k.slabs = slabs
	return nil
}

// parseSockets parses /proc/net/sockstat and its line "TCP: inuse 1 orphan 0 tw
// 0 alloc 1 mem 90", mem in pages.
func (k *Memory) parseSockets(b []byte) error {
	for line := range strings.Lines(string(b)) {
		var inuse, orphan, waiting, alloc, pages int64
		n, _ := fmt.Sscanf(line, "TCP: inuse %d orphan %d tw %d alloc %d mem %d", &inuse, &orphan, &waiting, &alloc, &pages)
		if n == 5 {
			k.Sockets, k.Buffers = alloc, pages*pageSize
			return nil
		}
	}
	return errors.New("no TCP line with alloc and mem")
}

func (k *Memory) parseMeminfo(b []byte) error {
	for line := range strings.Lines(string(b)) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "MemAvailable:" {
			continue
		}
		n, err := strconv.ParseInt(words[1], 10, 64)
		if err == nil {
			k.Available = n << 10
		}
		return err
	}
	return errors.New("no MemAvailable")
}

// Slab caches that grow by at least leastSlab bytes per connection are listed
// separately, at most mostSlabs of them.
const (
	leastSlab = 16
	mostSlabs = 12
)

// Slab is one cache's growth per connection.
type Slab struct {
	Name  string
	Bytes float64
}

// SlabsSince is how much slab caches have grown for each of n connections, the
// largest first, and the sum of all that count; ok is false if either reading has
// none. Caches that have shrunk, or
// hardly grown, have nothing to do with connections.
func (k *Memory) SlabsSince(before *Memory, n int) (grown []Slab, sum float64, ok bool) {
	if k.slabs == nil || before.slabs == nil {
		return nil, 0, false
	}
	more := func(name string) int64 { return k.slabs[name].objects - before.slabs[name].objects }
	for name, now := range k.slabs {
		objects := more(name)
		if name == "dentry" {
			// Reading /proc leaves an entry with each inode.
			objects -= max(more(procInodes), 0)
		}
		if each := float64(objects) * now.each / float64(n); each >= leastSlab && !unrelated(name) {
			grown = append(grown, Slab{name, each})
			sum += each
		}
	}
	slices.SortFunc(grown, func(a, b Slab) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name))
	})
	return grown[:min(len(grown), mostSlabs)], sum, true
}

const procInodes = "proc_inode_cache"

// unrelated reports whether a cache grows and shrinks with other things: files,
// and the previous server's sockets in TIME-WAIT. Others cannot be recognized
// by name, since the kernel merges similar caches.
func unrelated(name string) bool {
	return name == procInodes || name == "buffer_head" || name == "radix_tree_node" || strings.HasPrefix(name, "tw_sock_") ||
		strings.HasSuffix(name, "inode_cache") && name != "sock_inode_cache" && !strings.HasPrefix(name, "lsm_")
}

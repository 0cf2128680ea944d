package main

import (
	"fmt"
	"math"
	"strings"

	"castgate/server/openfiles"
)

// files is how many open files a process needs for the clients and the server's
// reserve.
func (p *plan) files() int64 {
	files := p.conns
	for p.lessReserve(files) < p.conns {
		files = p.conns + p.reserveOf(files)
	}
	return files
}

func (p *plan) reserveOf(files int64) int64 {
	if p.reserve > 0 {
		return p.reserve
	}
	return int64(openfiles.ReserveFor(uint64(files)))
}

// lessReserve is how many of that many open files are left for clients.
func (p *plan) lessReserve(files int64) int64 {
	if files == math.MaxInt64 {
		return files
	}
	return max(files-p.reserveOf(files), 0)
}

func sysctl(name string, value any) string { return fmt.Sprintf("sysctl -w %s='%v'", name, value) }

// atLeast returns v if less than need is available.
func atLeast(have, need int64, v verdict) verdict {
	if have < need {
		return v
	}
	return verdictOK
}

// checkOpenFiles checks RLIMIT_NOFILE. serve raises the soft limit to the hard
// one by itself and, with CAP_SYS_RESOURCE, the hard one to fs.nr_open.
func checkOpenFiles(h host, what plan) finding {
	const name, file = "open files (ulimit -n)", "proc/self/limits"
	soft, hard, ok := h.openFiles()
	if !ok {
		return unknown(name, file)
	}
	usable, note := hard, "castgate raises the soft limit to the hard limit itself"
	if nrOpen, ok := h.number("proc/sys/fs/nr_open"); ok && h.mayRaise() && nrOpen > hard {
		usable, note = nrOpen, "castgate can raise it to fs.nr_open itself"
	}
	need := what.files()
	return finding{
		name: name, value: fmt.Sprintf("soft %s, hard %s", grouped(soft), grouped(hard)),
		verdict: atLeast(usable, need, verdictBlock), fits: what.lessReserve(usable),
		means: fmt.Sprintf("%s connections; %s", grouped(what.lessReserve(usable)), note),
		change: []string{
			fmt.Sprintf("ulimit -Hn %d   # the shell that starts castgate, as root", need),
			fmt.Sprintf("systemctl edit castgate   # with systemd: [Service] LimitNOFILE=%d", need),
		},
	}
}

// checkNrOpen checks the maximum of any process's limit.
func checkNrOpen(h host, what plan) finding {
	const name, file = "fs.nr_open", "proc/sys/fs/nr_open"
	n, ok := h.number(file)
	if !ok {
		return unknown(name, file)
	}
	need := what.files()
	return finding{
		name: name, value: grouped(n), verdict: atLeast(n, need, verdictBlock), fits: what.lessReserve(n),
		means:  fmt.Sprintf("%s connections in one process", grouped(what.lessReserve(n))),
		change: []string{sysctl(name, need)},
	}
}

// checkFileMax checks the open files of the whole host.
func checkFileMax(h host, what plan) finding {
	const name, file = "fs.file-max", "proc/sys/fs/file-max"
	most, ok := h.number(file)
	if !ok {
		return unknown(name, file)
	}
	used, _ := h.number("proc/sys/fs/file-nr") // allocated, free, max
	free := most
	if most != math.MaxInt64 {
		free = max(most-used, 0)
	}
	return finding{
		name: name, value: fmt.Sprintf("%s, %s in use", grouped(most), grouped(used)),
		verdict: atLeast(free, what.files(), verdictBlock), fits: what.lessReserve(free),
		means:  fmt.Sprintf("%s connections on the whole host", grouped(free)),
		change: []string{sysctl(name, used+2*what.files())},
	}
}

// checkMemory estimates how many connections fit; half as much again is needed
// for queues.
func checkMemory(h host, what plan) finding {
	const name, file = "memory", "proc/meminfo"
	n, from, ok := h.memory()
	if !ok {
		return unknown(name, file)
	}
	each := what.memory()
	wanted := what.conns * each * 3 / 2
	v := atLeast(n, wanted, verdictWarn)
	if n < what.conns*each {
		v = verdictBlock
	}
	f := finding{
		name: name, value: fmt.Sprintf("%s MiB (%s)", grouped(n>>20), from), verdict: v,
		fits: n / each,
		means: fmt.Sprintf("about %s idle connections at %d KiB each, or %s at about %d KiB over wss",
			grouped(n/memoryPerConn), memoryPerConn>>10, grouped(n/memoryPerSecureConn), memoryPerSecureConn>>10),
	}
	if from == "MemTotal" {
		f.change = []string{fmt.Sprintf("# a machine with %s MiB or more", grouped(wanted>>20))}
	} else {
		f.change = []string{fmt.Sprintf("systemctl edit castgate   # or the container's limit: MemoryMax=%dM", wanted>>20)}
	}
	return f
}

// checkConntrack checks connection tracking: once its table is full, new
// connections are dropped silently.
func checkConntrack(h host, what plan) finding {
	const name = "net.netfilter.nf_conntrack_max"
	most, ok := h.number("proc/sys/net/netfilter/nf_conntrack_max")
	if !ok {
		return finding{name: name, value: "absent", verdict: verdictOK, means: "connections are not tracked; no limit here"}
	}
	used, _ := h.number("proc/sys/net/netfilter/nf_conntrack_count")
	free := max(most-used, 0)
	return finding{
		name: name, value: fmt.Sprintf("%s, %s in use", grouped(most), grouped(used)),
		verdict: atLeast(free, what.conns, verdictBlock), fits: free,
		means: fmt.Sprintf("%s connections if the firewall tracks them", grouped(free)),
		change: []string{
			sysctl(name, used+what.conns*5/4),
			"# or do not track clients at all, with nftables:",
			"nft add table inet castgate",
			"nft add chain inet castgate in '{ type filter hook prerouting priority raw; }'",
			"nft add chain inet castgate out '{ type filter hook output priority raw; }'",
			fmt.Sprintf("nft add rule inet castgate in tcp dport '{ %s }' notrack", strings.Join(what.ports, ", ")),
			fmt.Sprintf("nft add rule inet castgate out tcp sport '{ %s }' notrack", strings.Join(what.ports, ", ")),
		},
	}
}

// checkSomaxconn checks the queue of accepted connections, which limits the
// listener's backlog.
func checkSomaxconn(h host, what plan) finding {
	return burst(h, "net.core.somaxconn", "proc/sys/net/core/somaxconn", what)
}

// checkSynBacklog checks the queue of half-open connections.
func checkSynBacklog(h host, what plan) finding {
	return burst(h, "net.ipv4.tcp_max_syn_backlog", "proc/sys/net/ipv4/tcp_max_syn_backlog", what)
}

// burst is a limit on simultaneous connects; it never limits how many
// connections are held.
func burst(h host, name, file string, what plan) finding {
	n, ok := h.number(file)
	if !ok {
		return unknown(name, file)
	}
	want := min(burstWanted, what.conns)
	return finding{
		name: name, value: grouped(n), verdict: atLeast(n, want, verdictWarn),
		means:  fmt.Sprintf("%s connects at one instant; no limit on connections held", grouped(n)),
		change: []string{sysctl(name, want)},
	}
}

// checkTCPMem checks the memory for data in TCP sockets. Idle sockets hold
// none; one page each corresponds to a push to everybody that nobody has read
// yet.
func checkTCPMem(h host, what plan) finding {
	const name, file = "net.ipv4.tcp_mem", "proc/sys/net/ipv4/tcp_mem"
	pages := h.numbers(file)
	if len(pages) != 3 {
		return unknown(name, file)
	}
	return finding{
		name: name, value: fmt.Sprintf("%d %d %d pages", pages[0], pages[1], pages[2]),
		verdict: atLeast(pages[2], what.conns, verdictWarn),
		means:   fmt.Sprintf("%s connections with %d KiB of unread data each; idle ones use none", grouped(pages[2]), pageSize>>10),
		change:  []string{sysctl(name, fmt.Sprintf("%d %d %d", what.conns/2, what.conns*3/4, what.conns))},
	}
}

// checkPortRange checks the ports for outgoing connections. The gateway opens
// none, but a proxy in front of it or a load test on this host does.
func checkPortRange(h host, what plan) finding {
	const name, file = "net.ipv4.ip_local_port_range", "proc/sys/net/ipv4/ip_local_port_range"
	r := h.numbers(file)
	if len(r) != 2 || r[1] < r[0] {
		return unknown(name, file)
	}
	ports := r[1] - r[0] + 1
	return finding{
		name: name, value: fmt.Sprintf("%d to %d", r[0], r[1]),
		verdict: atLeast(ports, min(what.conns, 65535-1024+1), verdictWarn),
		means:   fmt.Sprintf("clients from elsewhere: no limit; a proxy or load test here: %s per source and gateway address", grouped(ports)),
		change: []string{
			sysctl(name, "1024 65535"),
			// Otherwise an outgoing connection may occupy the port during a
			// restart.
			sysctl("net.ipv4.ip_local_reserved_ports", strings.Join(what.ports, ",")),
		},
	}
}

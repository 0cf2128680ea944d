package main

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/process"
)

// verdict is the result of one check.
type verdict int

// The verdicts, from best to worst.
const (
	verdictOK verdict = iota
	verdictUnknown
	verdictWarn  // works, but could be better
	verdictBlock // the target cannot be reached
)

// String is the word in the report.
func (v verdict) String() string {
	return [...]string{"ok", "unknown", "warn", "block"}[v]
}

// finding is one row of the report.
type finding struct {
	name    string
	value   string
	verdict verdict
	means   string   // expressed in connections
	fits    int64    // the most connections that it allows; 0 if it never blocks or is unknown
	change  []string // commands; empty if there is nothing to change
}

// plan is what a host is checked for.
type plan struct {
	conns   int64
	reserve int64    // descriptors reserved from clients; 0 derives it
	secure  bool     // there is a wss listener
	ports   []string // of the listeners
}

// memory is the memory of one idle client.
func (p *plan) memory() int64 {
	if p.secure {
		return memoryPerSecureConn
	}
	return memoryPerConn
}

// The cost of a connection, for estimates.
const (
	// memoryPerConn is for an idle client: about 5 KiB of kernel socket and 1
	// KiB of heap, doubled for the garbage collector.
	memoryPerConn = 7 << 10
	// memoryPerSecureConn is for an idle wss client: 4 KiB more of heap, also
	// doubled.
	memoryPerSecureConn = 15 << 10
	// pageSize is the unit of tcp_mem.
	pageSize = 4 << 10
	// burstWanted is how many simultaneous connects should be queued rather
	// than refused, for example after a restart of the proxy in front.
	burstWanted = 4096
)

// doctorCommand is `castgate doctor`.
type doctorCommand struct {
	Conns int64 `default:"0" help:"Number of clients this host should hold; 0 takes max-conns from the configuration or, if that is 0 as well, the most this host can hold."`
	settings

	root fs.FS // nil means this machine's
}

// Run prints what the host means for a gateway with the configuration that
// serve would use with the same flags, variables and file; it fails if
// something blocks the target.
func (c *doctorCommand) Run(p *process.Process, src *knob.Sources) error {
	if c.Conns < 0 || c.Conns > math.MaxInt32 {
		return process.Failf(process.ExitUsage, "--conns: %d is not between 0 and %d", c.Conns, math.MaxInt32)
	}
	e, err := c.resolve(p, src)
	if err != nil {
		return err
	}
	if c.root == nil {
		c.root = os.DirFS("/")
	}
	h := host{c.root}
	what, why := e.plan(), "max-conns"
	switch {
	case c.Conns > 0:
		what.conns, why = c.Conns, "--conns"
	case what.conns == 0:
		what.conns, why = carries(h, what), "the most this host can hold; --conns sets a target"
	}
	findings := examine(h, what)
	if err := report(p.Stdout, what, why, findings); err != nil {
		return err
	}
	var blocking []string
	for _, f := range findings {
		if f.verdict == verdictBlock {
			blocking = append(blocking, f.name)
		}
	}
	if len(blocking) > 0 {
		return process.Failf(process.ExitFailed, "%s connections do not fit: %s", grouped(what.conns), strings.Join(blocking, ", "))
	}
	return nil
}

// plan is what the configuration requires of a host.
func (e *effective) plan() plan {
	what := plan{conns: int64(e.server.MaxConns), reserve: int64(e.server.ReserveFiles)}
	what.secure = slices.ContainsFunc(e.server.Listen, func(l string) bool { return strings.HasPrefix(l, "wss://") })
	for _, address := range append(slices.Clone(e.server.Listen), e.control.Listen, e.gatewayworker.Inner, e.gatewayworker.Register) {
		_, port, err := net.SplitHostPort(address[strings.LastIndex(address, "/")+1:])
		if err == nil && port != "0" && !slices.Contains(what.ports, port) {
			what.ports = append(what.ports, port)
		}
	}
	if len(what.ports) == 0 {
		what.ports = []string{"PORT"} // chosen by the kernel
	}
	return what
}

// carries is the largest number of connections that nothing on this host
// blocks.
func carries(h host, what plan) int64 {
	what.conns = 1
	most := int64(math.MaxInt32)
	for _, f := range examine(h, what) {
		if f.fits > 0 {
			most = min(most, f.fits)
		}
	}
	return most
}

// report writes a table of the findings, then the commands to run.
func report(w io.Writer, what plan, why string, findings []finding) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "target\t%s connections\t(%s)\n\n", grouped(what.conns), why)
	for _, f := range findings {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", f.verdict, f.name, f.value, f.means)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	head := "\nTo change (put sysctls into /etc/sysctl.d/90-castgate.conf to keep them):\n"
	for _, f := range findings {
		if f.verdict < verdictWarn || len(f.change) == 0 {
			continue
		}
		fmt.Fprintf(w, "%s  # %s\n", head, f.name)
		head = ""
		for _, command := range f.change {
			fmt.Fprintf(w, "  %s\n", command)
		}
	}
	return nil
}

// examine runs every check for a plan.
func examine(h host, what plan) []finding {
	var findings []finding
	for _, check := range []func(host, plan) finding{
		checkOpenFiles, checkNrOpen, checkFileMax, checkMemory, checkConntrack,
		checkSomaxconn, checkSynBacklog, checkTCPMem, checkPortRange,
	} {
		findings = append(findings, check(h, what))
	}
	return findings
}

// unknown is the finding of a check whose file this host does not have.
func unknown(name, file string) finding {
	return finding{name: name, value: "-", verdict: verdictUnknown, means: "/" + file + " does not exist or cannot be read"}
}

// grouped writes 1000000 as 1,000,000 and the largest number as no limit.
func grouped(n int64) string {
	if n == math.MaxInt64 {
		return "no limit"
	}
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

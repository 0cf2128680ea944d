package main

import (
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
)

// verdict is what one check comes to.
type verdict int

// The verdicts, each worse than the one before.
const (
	verdictOK verdict = iota
	verdictUnknown
	verdictWarn  // works, worse than it could
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
	means   string   // in connections
	change  []string // commands; empty if there is nothing to change
}

// What a connection costs, for the estimates.
const (
	// memoryPerConn is an idle client: some 5 KiB of kernel socket and 1 KiB
	// of heap, that twice for the garbage collector's room.
	memoryPerConn = 7 << 10
	// memoryPerSecureConn is one by wss: 4 KiB more of heap, that twice as well.
	memoryPerSecureConn = 15 << 10
	// pageSize is that of tcp_mem's unit.
	pageSize = 4 << 10
	// burstWanted is how many connects in one instant should wait in line
	// rather than be refused, after a restart of what stands in front.
	burstWanted = 4096
)

// doctorCommand is `castgate doctor`.
type doctorCommand struct {
	Conns int64 `default:"1000000" help:"Clients this host should hold."`

	root fs.FS // nil is the machine's own
}

// Run prints the findings; it fails if one blocks the target.
func (c *doctorCommand) Run(p *process) error {
	if c.Conns < 1 || c.Conns > math.MaxInt32 {
		return failf(exitUsage, "--conns: %d is not between 1 and %d", c.Conns, math.MaxInt32)
	}
	if c.root == nil {
		c.root = os.DirFS("/")
	}
	findings := examine(host{c.root}, c.Conns)
	if err := report(p.stdout, c.Conns, findings); err != nil {
		return err
	}
	var blocking []string
	for _, f := range findings {
		if f.verdict == verdictBlock {
			blocking = append(blocking, f.name)
		}
	}
	if len(blocking) > 0 {
		return failf(exitFailed, "%s connections do not fit: %s", grouped(c.Conns), strings.Join(blocking, ", "))
	}
	return nil
}

// report writes a table of the findings, then the commands to run.
func report(w io.Writer, conns int64, findings []finding) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "target\t%s connections\n\n", grouped(conns))
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

// examine runs every check against a target of conns clients.
func examine(h host, conns int64) []finding {
	var findings []finding
	for _, check := range []func(host, int64) finding{
		checkOpenFiles, checkNrOpen, checkFileMax, checkMemory, checkConntrack,
		checkSomaxconn, checkSynBacklog, checkTCPMem, checkPortRange,
	} {
		findings = append(findings, check(h, conns))
	}
	return findings
}

// unknown is a check whose file this host does not have.
func unknown(name, file string) finding {
	return finding{name: name, value: "-", verdict: verdictUnknown, means: "/" + file + " is not there or not readable"}
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

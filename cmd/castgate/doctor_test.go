package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline"
	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/process"
)

// largeHost is a host that can hold a million clients.
func largeHost() map[string]string {
	return map[string]string{
		"proc/self/limits":                          "Max open files            1024                 1100000              files     \n",
		"proc/self/status":                          "Name:\tcastgate\nCapEff:\t0000000000000000\n",
		"proc/sys/fs/nr_open":                       "1100000\n",
		"proc/sys/fs/file-max":                      "9223372036854775807\n",
		"proc/sys/fs/file-nr":                       "1920\t0\t9223372036854775807\n",
		"proc/sys/net/core/somaxconn":               "4096\n",
		"proc/sys/net/ipv4/tcp_max_syn_backlog":     "4096\n",
		"proc/sys/net/ipv4/tcp_mem":                 "750000 1000000 1500000\n",
		"proc/sys/net/ipv4/ip_local_port_range":     "1024\t65535\n",
		"proc/sys/net/netfilter/nf_conntrack_max":   "2000000\n",
		"proc/sys/net/netfilter/nf_conntrack_count": "10\n",
		"proc/meminfo":                              "MemTotal:       32768000 kB\n",
		"proc/self/cgroup":                          "0::/\n",
	}
}

// examined runs doctor on a root with the settings of a command line; changes
// replace files, "" removes one.
func examined(t *testing.T, changes map[string]string, line ...string) (code int, stdout, stderr string) {
	t.Helper()
	root := largeHost()
	maps.Copy(root, changes)
	maps.DeleteFunc(root, func(_, text string) bool { return text == "" })
	var c commands
	var out bytes.Buffer
	src := knob.NewSources(nil)
	p := &process.Process{Stdout: &out, Stderr: io.Discard}
	parser, err := commandline.NewParser(&c, src, p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"doctor"}, line...)); err != nil {
		t.Fatal(err)
	}
	c.Doctor.root = files(root).root
	err = c.Doctor.Run(p, src)
	if e, ok := err.(*process.Exit); ok {
		return e.Code, out.String(), err.Error()
	}
	return 0, out.String(), ""
}

// The target comes from the configuration.
func TestDoctorLooksAtTheConfiguration(t *testing.T) {
	small := map[string]string{"proc/self/limits": "Max open files            1024                 20000                files     \n"}
	for _, tt := range []struct {
		name    string
		changes map[string]string
		line    []string
		code    int
		want    []string
	}{
		{"nothing said", small, nil, 0, []string{"target 19,375 connections (the most this host can hold", "ok open files"}},
		{"a small max-conns", small, []string{"--max-conns=5000"}, 0, []string{"target 5,000 connections (max-conns)"}},
		{"a max-conns too large", small, []string{"--max-conns=50000"}, 1, []string{"block open files"}},
		{"a target", small, []string{"--max-conns=5000", "--conns=30000"}, 1, []string{"target 30,000 connections (--conns)"}},
		{"a reserve", small, []string{"--reserve-files=10000"}, 0, []string{"target 10,000 connections"}},
		{"a reserve that does not fit", small, []string{"--reserve-files=10000", "--max-conns=15000"}, 1, []string{"block open files", "ulimit -Hn 25000"}},
		{"little memory", map[string]string{"sys/fs/cgroup/memory.max": "1073741824\n"}, nil, 0, []string{"target 149,796 connections", "warn memory"}},
		{"wss", map[string]string{"sys/fs/cgroup/memory.max": "1073741824\n"},
			[]string{"--listen=wss://:443", "--tls-cert=a", "--tls-key=b"}, 0, []string{"target 69,905 connections"}},
		{"other ports", map[string]string{"proc/sys/net/netfilter/nf_conntrack_max": "1000\n", "proc/sys/net/ipv4/ip_local_port_range": "32768 60999\n"},
			[]string{"--listen=:80,text://127.0.0.1:8282", "--control=unix:/run/c", "--conns=100000"}, 1,
			[]string{"tcp dport '{ 80, 8282 }' notrack", "ip_local_reserved_ports='80,8282'"}},
		{"a wrong setting", nil, []string{"--node=7", "--slow-policy=never"}, process.ExitUsage, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := examined(t, tt.changes, tt.line...)
			if code != tt.code {
				t.Errorf("exit %d, want %d: %s", code, tt.code, errs)
			}
			squeezed := strings.Join(strings.Fields(out), " ")
			for _, want := range tt.want {
				if !strings.Contains(squeezed, want) {
					t.Errorf("%q is not in\n%s", want, out)
				}
			}
		})
	}
}

func TestDoctorOnALargeHost(t *testing.T) {
	code, out, errs := examined(t, nil, "--conns=1000000")
	if code != 0 || errs != "" {
		t.Errorf("exit %d, %q\n%s", code, errs, out)
	}
	for _, word := range []string{"warn", "block", "unknown", "To change"} {
		if strings.Contains(out, word) {
			t.Errorf("%q in\n%s", word, out)
		}
	}
	if !strings.Contains(out, "1,000,000 connections") {
		t.Errorf("the target is not in\n%s", out)
	}
}

func TestDoctorFindings(t *testing.T) {
	for _, tt := range []struct {
		name    string
		conns   int64
		changes map[string]string
		code    int
		want    []string
	}{
		{"hard limit", 1_000_000, map[string]string{"proc/self/limits": "Max open files            1024                 65536                files     \n"}, 1,
			[]string{"block  open files", "64,512 connections", "LimitNOFILE=1001024", "ulimit -Hn 1001024"}},
		{"hard limit of one that may raise it", 1_000_000, map[string]string{
			"proc/self/limits": "Max open files            1024                 65536                files     \n",
			"proc/self/status": "CapEff:\t000001ffffffffff\n",
		}, 0, []string{"can raise it to fs.nr_open itself"}},
		{"nr_open", 2_000_000, map[string]string{"proc/self/limits": "Max open files            1024                 unlimited            files     \n"}, 1,
			[]string{"block", "sysctl -w fs.nr_open='2001024'"}},
		{"file-max", 1_000_000, map[string]string{"proc/sys/fs/file-max": "100000\n"}, 1, []string{"98,080 connections on the whole host", "sysctl -w fs.file-max="}},
		{"memory", 1_000_000, map[string]string{"sys/fs/cgroup/memory.max": "1073741824\n"}, 1, []string{"about 149,796 idle connections at 7 KiB each, or 69,905 at about 15 KiB over wss", "MemoryMax="}},
		{"memory without room for queues", 1_000_000, map[string]string{"proc/meminfo": "MemTotal: 8192000 kB\n"}, 0, []string{"warn   memory", "a machine with"}},
		{"conntrack", 1_000_000, map[string]string{"proc/sys/net/netfilter/nf_conntrack_max": "262144\n"}, 1, []string{"block  net.netfilter", "sysctl -w net.netfilter.nf_conntrack_max='1250010'", "notrack"}},
		{"no conntrack", 1_000_000, map[string]string{"proc/sys/net/netfilter/nf_conntrack_max": ""}, 0, []string{"absent", "not tracked"}},
		{"somaxconn", 1_000_000, map[string]string{"proc/sys/net/core/somaxconn": "128\n"}, 0, []string{"warn  net.core.somaxconn", "sysctl -w net.core.somaxconn='4096'"}},
		{"syn backlog", 1_000_000, map[string]string{"proc/sys/net/ipv4/tcp_max_syn_backlog": "512\n"}, 0, []string{"sysctl -w net.ipv4.tcp_max_syn_backlog='4096'"}},
		{"tcp_mem", 1_000_000, map[string]string{"proc/sys/net/ipv4/tcp_mem": "1 2 3\n"}, 0, []string{"sysctl -w net.ipv4.tcp_mem='500000 750000 1000000'"}},
		{"ports", 1_000_000, map[string]string{"proc/sys/net/ipv4/ip_local_port_range": "32768 60999\n"}, 0, []string{"28,232 per source", "sysctl -w net.ipv4.ip_local_port_range='1024 65535'"}},
		{"ports enough for few", 1000, map[string]string{"proc/sys/net/ipv4/ip_local_port_range": "32768 60999\n"}, 0, []string{"ok  net.ipv4.ip_local_port_range"}},
		{"nonsense", 1000, map[string]string{"proc/sys/net/core/somaxconn": "many\n", "proc/self/limits": "Max open files some\n"}, 0, []string{"unknown", "/proc/sys/net/core/somaxconn does not exist"}},
		{"no number of clients", -1, nil, process.ExitUsage, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errs := examined(t, tt.changes, fmt.Sprintf("--conns=%d", tt.conns))
			if code != tt.code {
				t.Errorf("exit %d, want %d", code, tt.code)
			}
			if (code == 0) != (errs == "") {
				t.Errorf("exit %d with error %q", code, errs)
			}
			squeezed := strings.Join(strings.Fields(out), " ")
			for _, want := range tt.want {
				if !strings.Contains(squeezed, strings.Join(strings.Fields(want), " ")) {
					t.Errorf("%q is not in\n%s", want, out)
				}
			}
		})
	}
}

// A host without /proc answers unknown for everything and blocks nothing.
func TestDoctorWithoutFiles(t *testing.T) {
	for _, f := range examine(files(nil), plan{conns: 1_000_000}) {
		if f.name == "net.netfilter.nf_conntrack_max" {
			continue // its absence is an answer
		}
		if f.verdict != verdictUnknown {
			t.Errorf("%s is %v", f.name, f.verdict)
		}
	}
}

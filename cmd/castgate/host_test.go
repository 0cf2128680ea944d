package main

import (
	"math"
	"testing"
	"testing/fstest"
)

// files is a root made of file names and texts.
func files(texts map[string]string) host {
	m := fstest.MapFS{}
	for name, text := range texts {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return host{m}
}

func TestOpenFiles(t *testing.T) {
	h := files(map[string]string{"proc/self/limits": "Limit                     Soft Limit           Hard Limit           Units     \n" +
		"Max processes             127234               127234               processes \n" +
		"Max open files            1024                 unlimited            files     \n"})
	soft, hard, ok := h.openFiles()
	if soft != 1024 || hard != math.MaxInt64 || !ok {
		t.Errorf("%d %d %v", soft, hard, ok)
	}
	if _, _, ok := files(nil).openFiles(); ok {
		t.Error("ok without the file")
	}
}

func TestMemory(t *testing.T) {
	const meminfo = "MemTotal:       16384000 kB\nMemFree:  1 kB\n"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  int64
		from  string
	}{
		{"machine", map[string]string{"proc/meminfo": meminfo}, 16384000 << 10, "MemTotal"},
		{"v2 container", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, 1 << 30, "/sys/fs/cgroup/memory.max"},
		{"v2 limit of the parent", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "0::/system.slice/castgate.service\n",
			"sys/fs/cgroup/system.slice/castgate.service/memory.max": "max\n", "sys/fs/cgroup/system.slice/memory.max": "2147483648\n",
		}, 2 << 30, "/sys/fs/cgroup/system.slice/memory.max"},
		{"v1", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu:/\n4:memory:/docker/abc\n0::/\n",
			"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "536870912\n",
		}, 512 << 20, "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes"},
		{"v1 without a limit", map[string]string{
			"proc/meminfo": meminfo, "proc/self/cgroup": "4:memory:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 16384000 << 10, "MemTotal"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, from, ok := files(tt.files).memory()
			if n != tt.want || from != tt.from || !ok {
				t.Errorf("%d from %q, %v; want %d from %q", n, from, ok, tt.want, tt.from)
			}
		})
	}
	if _, _, ok := files(nil).memory(); ok {
		t.Error("ok without any file")
	}
}

package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// readmeBlocks are the indented blocks below a heading of README.md.
func readmeBlocks(t *testing.T, heading string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(wstest.Root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## "+heading+"\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, m := range regexp.MustCompile(`(?m)(?:^    .*\n)+`).FindAllString(section, -1) {
		blocks = append(blocks, regexp.MustCompile(`(?m)^    `).ReplaceAllString(m, ""))
	}
	return blocks
}

// What README.md says of a first push is what happens: its commands are run as they stand,
// but for ports.
func TestFirstPushOfReadme(t *testing.T) {
	t.Parallel()
	bash := program(t, "bash")
	program(t, "curl")
	blocks := readmeBlocks(t, "A first push")
	if len(blocks) != 4 {
		t.Fatalf("%d blocks of commands: %q", len(blocks), blocks)
	}
	g := wstest.Start(t)
	shell := func(script string) *exec.Cmd {
		script = strings.NewReplacer("127.0.0.1:7272", g.Addr, "127.0.0.1:7273", g.ControlAddr, "bin/castgate", `"$CASTGATE"`).Replace(script)
		cmd := exec.Command(bash, "-euc", script)
		cmd.Env = append(os.Environ(), "CASTGATE="+wstest.Command(t).Path, "CASTGATE_CONTROL="+g.ControlAddr)
		return cmd
	}
	client := shell("exec " + blocks[0])
	out, err := client.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Process.Kill(); _ = client.Wait() })
	seen := bufio.NewReader(out)
	first, err := seen.ReadString('}')
	id := regexp.MustCompile(`{"type":"init","client_id":"([^"]+)"}$`).FindStringSubmatch(first)
	if err != nil || id == nil {
		t.Fatalf("the first message is %q, %v", first, err)
	}
	for i, want := range []string{"hello, all", "hello, 42", "hello, readers"} {
		script := strings.Replace(blocks[i+1], "ID=... ", "ID="+id[1]+" ", 1)
		answer, err := shell(script).CombinedOutput()
		if err != nil || !strings.Contains(string(answer), `"matched":1`) {
			t.Fatalf("%s\nanswers %s, %v", script, answer, err)
		}
		got := make([]byte, 2+len(want)) // a head of two bytes, and the message
		for n := 0; n < len(got); {
			m, err := seen.Read(got[n:])
			if err != nil {
				t.Fatalf("after %q: %v", got[:n], err)
			}
			n += m
		}
		if string(got[2:]) != want {
			t.Errorf("the client shows %q, want %q", got[2:], want)
		}
	}
}

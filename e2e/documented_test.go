package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"castgate/internal/snippets"
	"castgate/internal/wstest"
)

// documented is a block of a document.
func documented(t *testing.T, file, heading string, number int) string {
	t.Helper()
	blocks, err := snippets.Of(wstest.Root(t), file)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if b.Heading == heading && b.Number == number {
			return b.Text
		}
	}
	t.Fatalf("%s has no block %d below %q", file, number, heading)
	return ""
}

// Commands of documents are run as they stand, but for addresses and paths, and print what
// they should.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	bash, dir := program(t, "bash"), t.TempDir()
	g := wstest.Start(t)
	c := g.Dial(t)
	g.Bind(c.ID, "42", "ops", "news")
	if err := os.Symlink(wstest.Command(t).Path, filepath.Join(dir, "castgate")); err != nil {
		t.Fatal(err)
	}
	// The key to revoke is the one of the document; the last one of a file cannot be.
	if out, err := wstest.Command(t, "key", "new", "--name", "other", "--scope", "read", "--file", filepath.Join(dir, "keys")).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	fingerprint := "$(castgate key list --file keys | grep backend | grep -oE '\\b[0-9a-f]{12}\\b' | head -n 1)"
	here := strings.NewReplacer("/etc/castgate/keys", "keys", "1a2b3c4d5e6f", fingerprint)
	for _, run := range []struct{ file, heading, want string }{
		{"docs/control-api.md", "On the shell", `(?s)^{"matched":1,.*\n{"matched":1,.*\n1\n$`},
		{"docs/authentication.md", "Keys of the control API", `(?s)^castgate_.*backend.*`},
		{"docs/configuration.md", "Configuration", `(?s)ping-interval = .*ok`},
		{"docs/sizing.md", "Files and ports", `100,?000`},
	} {
		script := here.Replace(documented(t, run.file, run.heading, 1))
		cmd := exec.Command(bash, "-c", "set -eu\n"+script)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "CASTGATE_CONTROL="+g.ControlAddr)
		out, err := cmd.CombinedOutput()
		// doctor's code says what this host allows.
		if err != nil && !strings.Contains(script, "castgate doctor") || !regexp.MustCompile(run.want).Match(out) {
			t.Errorf("%s\nprints %s, %v; want %s", script, out, err, run.want)
		}
	}
	c.Expect(`{"unread":3}`, "build finished\n")
	if keys, err := os.ReadFile(filepath.Join(dir, "keys")); err != nil || strings.Contains(string(keys), "backend") {
		t.Errorf("after the revocation the file has %s, %v", keys, err)
	}
}

// The answer to a refused handshake and the lines of the log are as documented.
func TestDocumentedRefusals(t *testing.T) {
	t.Parallel()
	const page = "docs/handshakes.md"
	g := wstest.Start(t, "--log-level", "debug")
	r := g.DialRaw(t)
	r.Put([]byte(strings.Replace(wstest.Handshake, "Connection: Upgrade", "Connection: close", 1)))
	var answer strings.Builder
	buffer := make([]byte, 4096)
	for {
		n, err := r.Read(buffer)
		answer.Write(buffer[:n])
		if err != nil {
			break
		}
	}
	head, body, _ := strings.Cut(answer.String(), "\r\n\r\n")
	status, _, _ := strings.Cut(head, "\r\n")
	if got, want := status+"\n\n"+body, documented(t, page, "Refusals", 1); got != want {
		t.Errorf("the answer is %q, documented is %q", got, want)
	}
	c := g.Dial(t)
	g.OK("POST", "/v1/kick", M{"all": true})
	c.ExpectClose(1000, "")
	// Values differ, names and their order do not.
	names := func(line string) string {
		return strings.Join(regexp.MustCompile(`\b[a-z_]+=`).FindAllString(line[strings.Index(line, "level="):], -1), " ")
	}
	lines := strings.Split(strings.TrimSpace(documented(t, page, "One line for each connection that ends", 1)), "\n")
	for _, i := range []int{0, len(lines) - 1} {
		message := regexp.MustCompile(`msg="[a-z ]+"`).FindString(lines[i])
		g.Await(func() string {
			for line := range strings.Lines(g.Log()) {
				if strings.Contains(line, message) && names(line) == names(lines[i]) {
					return ""
				}
			}
			return "the log has no line as " + lines[i] + "\n" + g.Log()
		})
	}
}

// The proxies of docs/rolling-updates.md are configured as they understand.
func TestDocumentedProxies(t *testing.T) {
	t.Parallel()
	const page, heading = "docs/rolling-updates.md", "Behind nginx or HAProxy"
	upstream, location, _ := strings.Cut(documented(t, page, heading, 1), "\n")
	dir := t.TempDir()
	for _, p := range []struct {
		program, config string
		args            []string
	}{
		{"nginx", "events {}\nhttp {\naccess_log off;\n" + upstream + "\nserver {\nlisten 127.0.0.1:80;\n" + location + "}\n}\n", []string{"-t", "-q", "-e", "stderr", "-g", "pid " + dir + "/pid;", "-p", dir, "-c"}},
		{"haproxy", "defaults\n  mode http\n  timeout connect 5s\n  timeout client 75s\n  timeout server 75s\nfrontend clients\n  bind 127.0.0.1:80\n  default_backend castgate\n" + documented(t, page, heading, 2), []string{"-c", "-q", "-f"}},
	} {
		path, err := exec.LookPath("/usr/sbin/" + p.program)
		if err != nil {
			path = program(t, p.program)
		}
		file := filepath.Join(dir, p.program)
		if err := os.WriteFile(file, []byte(p.config), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(path, append(p.args, file)...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s\n%s", p.program, err, out, p.config)
		}
	}
}

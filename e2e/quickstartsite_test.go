package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// quickstartPage has the round trip of page and backend, with these commands.
const quickstartPage = "docs/quickstart.md"

const (
	serveCommand = iota
	pageCommands
	phpCommands
	nodeCommands
	pythonCommands
	goCommands
	pushCommand
	quickstartCommands // how many
)

// site follows quickstartPage in one language, in an empty folder, and returns the address
// of the backend. Its packages come from a copy of this clone, since pip leaves its work
// beside the sources; env is for the commands that install them, besides.
func (q *quickstart) site(t *testing.T, language, file string, commands int, env ...string) (address string) {
	t.Helper()
	listen := wstest.FreeAddr(t)
	_, port, _ := strings.Cut(listen, ":")
	clone := t.TempDir()
	if err := os.CopyFS(filepath.Join(clone, "clients"), os.DirFS(filepath.Join(wstest.Root(t), "clients"))); err != nil {
		t.Fatal(err)
	}
	here := strings.NewReplacer("8000", port, "127.0.0.1:7272", q.g.Addr, "CASTGATE=$HOME/castgate", "CASTGATE="+clone)
	q = &quickstart{g: q.g, c: q.c, dir: t.TempDir(), receiver: q.receiver}
	blocks := codeBlocks(t, quickstartPage, "sh", quickstartCommands)
	prepare := here.Replace(blocks[pageCommands])
	q.run(t, "sh", "-ec", prepare)
	html := here.Replace(codeBlocks(t, quickstartPage, "html", 1)[0])
	q.write(t, "public/index.html", html)
	q.write(t, file, here.Replace(codeBlocks(t, quickstartPage, language, 1)[0]))
	lines := strings.Split(strings.TrimSpace(here.Replace(blocks[commands])), "\n")
	install, line := lines[:len(lines)-1], lines[len(lines)-1]
	if line == "go run ." { // its program would outlive it
		install, line = append(install, "go build -o backend ."), "./backend"
	}
	cmd := q.command("sh", "-ec", prepare+strings.Join(install, "\n"))
	cmd.Env = append(cmd.Env, env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%q: %v\n%s", install, err, out)
	}
	p := wstest.Spawn(t, q.command("sh", "-c", "exec "+line))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the backend's log:\n%.5000s", p.Log())
		}
	})
	q.g.Await(func() string {
		resp, err := http.Get("http://" + listen + "/")
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		if got, err := io.ReadAll(resp.Body); err != nil || string(got) != html {
			return fmt.Sprintf("the page is %q, %v", got, err)
		}
		return ""
	})
	return "http://" + listen
}

// roundTrip does what the page of quickstartPage does, and the command behind it.
func (q *quickstart) roundTrip(t *testing.T, site string) {
	t.Helper()
	c := q.g.Dial(t)
	post := func(path string, body M, status int) {
		t.Helper()
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(site+path, "application/json", strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%s %v: status %d, want %d", path, body, resp.StatusCode, status)
		}
	}
	post("/bind", M{"client_id": "gone"}, http.StatusNotFound)
	post("/bind", M{"client_id": c.ID}, http.StatusNoContent)
	post("/say", M{"text": "hello ✓ <b>"}, http.StatusNoContent)
	var got M
	if m := c.Next(); json.Unmarshal([]byte(m.Data), &got) != nil || got["from"] != "ann" || got["text"] != "hello ✓ <b>" {
		t.Errorf("the client got %q", m.Data)
	}
	bin := t.TempDir()
	if err := os.Symlink(wstest.Command(t).Path, filepath.Join(bin, "castgate")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", codeBlocks(t, quickstartPage, "sh", quickstartCommands)[pushCommand])
	cmd.Env = append(os.Environ(), append(controlEnv(q.g), "PATH="+bin+":"+os.Getenv("PATH"))...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	c.Expect("hello, ann")
}

// browse uses the page of quickstartPage in a browser.
func (q *quickstart) browse(t *testing.T, site string) {
	t.Helper()
	p := openPage(t, site)
	p.await("state", "open")
	p.fill("text", "hello ✓ <b>")
	p.click("say")
	p.await("log", "ann: hello ✓ <b>")
	q.g.Push(wstest.To("uids", "ann"), "a text")
	p.await("log", "a text")
}

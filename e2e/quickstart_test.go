package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// quickstart is the newcomer: a project that is empty but for the package, and the
// code of the documentation.
type quickstart struct {
	g        *wstest.Gateway
	c        *wstest.Client
	dir      string
	receiver string // the address that the gateway posts events to
}

func newQuickstart(t *testing.T) *quickstart {
	t.Helper()
	receiver := wstest.FreeAddr(t)
	g := wstest.StartWith(t, wstest.Options{Key: controlKey, Flags: []string{
		"--control-key", controlKey, "--events-url", "http://" + receiver, "--events-secret", eventsSecret, "--events-retry-max", "1s",
	}})
	return &quickstart{g: g, c: g.Dial(t), dir: t.TempDir(), receiver: receiver}
}

// codeBlocks are the code blocks in one language of a page of documentation. There must
// be n of them: whoever adds one lets a test run it.
func codeBlocks(t *testing.T, page, language string, n int) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(wstest.Root(t), page))
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		blocks = append(blocks, found[1])
	}
	if len(blocks) != n {
		t.Fatalf("%s has %d blocks in %s, and %d are run", page, len(blocks), language, n)
	}
	return blocks
}

// write writes code of the documentation into the project.
func (q *quickstart) write(t *testing.T, name string, code ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(q.dir, name), []byte(strings.Join(code, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificates writes files with the names that the documentation uses.
func (q *quickstart) certificates(t *testing.T) {
	t.Helper()
	authority := wstest.NewAuthority(t)
	backend := authority.Issue("backend")
	for name, from := range map[string]string{"ca.pem": authority.File, "backend.crt": backend.Cert, "backend.key": backend.Key} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		q.write(t, name, string(text))
	}
}

func (q *quickstart) command(name string, arguments ...string) *exec.Cmd {
	cmd := exec.Command(name, arguments...)
	cmd.Dir = q.dir
	_, port, _ := strings.Cut(q.receiver, ":")
	cmd.Env = append(os.Environ(), "CASTGATE_CONTROL="+q.g.ControlAddr, "CASTGATE_CONTROL_KEY="+controlKey, "EVENTS_SECRET="+eventsSecret, "PORT="+port,
		"GOWORK=off", "GOFLAGS=-mod=mod", "COMPOSER_ALLOW_SUPERUSER=1", "COMPOSER_HOME="+q.dir)
	return cmd
}

// run runs a command in the project and returns what it prints.
func (q *quickstart) run(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	cmd := q.command(name, arguments...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", filepath.Base(name), arguments, err, out)
	}
	return string(out)
}

// expect compares what a quick start has printed, with what its batch and its listing
// of events print, and what the client got.
func (q *quickstart) expect(t *testing.T, out string, lines ...string) {
	t.Helper()
	if want := strings.Join(lines, "\n") + "\n"; !strings.EqualFold(out, want) { // Python writes True
		t.Errorf("printed\n%swant\n%s", out, want)
	}
	q.c.Expect(`{"hello":"42"}`, "hello, 42")
}

// receive runs a receiver of events of the documentation.
func (q *quickstart) receive(t *testing.T, name string, arguments ...string) {
	t.Helper()
	p := wstest.Spawn(t, q.command(name, arguments...))
	q.g.Await(func() string {
		for _, kind := range []string{"connected", "bound"} {
			if line := "castgate.client." + kind + " " + q.c.ID; !strings.Contains(p.Log(), line) {
				return fmt.Sprintf("%q has not come, but\n%s", line, p.Log())
			}
		}
		return ""
	})
	sendHalves(t, q.receiver, strings.HasPrefix(filepath.Base(name), "node"))
	resp, err := http.Post("http://"+q.receiver, "application/json", strings.NewReader(`[{"id":"1","type":"castgate.forged"}]`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest || strings.Contains(p.Log(), "castgate.forged") {
		t.Errorf("an event without a signature: status %d\n%s", resp.StatusCode, p.Log())
	}
}

// TestQuickstartGo runs the example of clients/go in a module of its own.
func TestQuickstartGo(t *testing.T) {
	t.Parallel()
	q := newQuickstart(t)
	blocks := codeBlocks(t, "clients/go/README.md", "go", 4)
	more := "\n" + blocks[1] + blocks[3] + "}\n" // go on where main ends
	q.write(t, "main.go", strings.Replace(strings.TrimSuffix(blocks[0], "}\n")+more, "\"os\"\n", "\"os\"\n\t\"time\"\n", 1))
	if err := os.Mkdir(filepath.Join(q.dir, "receiver"), 0o700); err != nil {
		t.Fatal(err)
	}
	q.write(t, "receiver/main.go", blocks[2])
	q.run(t, "go", "mod", "init", "quickstart")
	q.run(t, "go", "mod", "edit", "-require=github.com/castgate/castgate-go@v0.0.0", "-replace=github.com/castgate/castgate-go="+filepath.Join(wstest.Root(t), "clients/go"))
	q.run(t, "go", "vet", "./...")
	q.expect(t, q.run(t, "go", "run", ".", q.c.ID), "reached 1", q.c.ID+" 42", "true",
		`{"matched":0,"queued":0,"dropped":0} <nil>`, `{"matched":1,"queued":1,"dropped":0} <nil>`,
		"castgate.client.connected true", "castgate.client.bound true")
	q.run(t, "go", "build", "-o", "receive", "./receiver")
	q.receive(t, filepath.Join(q.dir, "receive"))
	q.roundTrip(t, q.site(t, "go", "main.go", goCommands))
}

// TestQuickstartPython builds the wheel, installs it into an empty environment and
// runs the examples of clients/python there.
func TestQuickstartPython(t *testing.T) {
	t.Parallel()
	python := pythonWith(t, "setuptools", "wheel", "pip", "venv")
	q := newQuickstart(t)
	source := filepath.Join(q.dir, "source") // setuptools leaves its work beside the sources
	if err := os.CopyFS(source, os.DirFS(filepath.Join(wstest.Root(t), "clients/python"))); err != nil {
		t.Fatal(err)
	}
	q.run(t, python, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", "dist", "./source")
	wheels, err := filepath.Glob(filepath.Join(q.dir, "dist/castgate-*-py3-none-any.whl"))
	if err != nil || len(wheels) != 1 {
		t.Fatalf("wheels %q, %v", wheels, err)
	}
	q.run(t, python, "-m", "venv", "env")
	inside := filepath.Join(q.dir, "env/bin/python")
	q.run(t, inside, "-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check", wheels[0])
	if err := os.RemoveAll(source); err != nil {
		t.Fatal(err)
	}
	blocks := codeBlocks(t, "clients/python/README.md", "python", 6)
	q.write(t, "quickstart.py", blocks[0], blocks[2], blocks[4], blocks[5])
	q.write(t, "withasyncio.py", blocks[1])
	q.write(t, "receiver.py", blocks[3])
	q.certificates(t)
	q.expect(t, q.run(t, inside, "-I", "quickstart.py", q.c.ID), "reached 1", q.c.ID+" 42", "unknown_client 404", "0", "1",
		"castgate.client.connected true", "castgate.client.bound true")
	if out := q.run(t, inside, "-I", "withasyncio.py", q.c.ID); out != "42 1\n" {
		t.Errorf("with asyncio it printed %q", out)
	}
	q.c.Expect("hello, readers")
	q.receive(t, inside, "-I", "receiver.py")
	// What pip builds packages with comes from the python here, without a network.
	modules := strings.TrimSpace(q.run(t, python, "-c", "import os, wheel; print(os.path.dirname(os.path.dirname(wheel.__file__)))"))
	q.roundTrip(t, q.site(t, "python", "backend.py", pythonCommands, "PYTHONPATH="+modules, "PIP_NO_BUILD_ISOLATION=0", "PIP_NO_INDEX=1",
		"PATH="+filepath.Dir(python)+":"+os.Getenv("PATH")))
}

// pythonWith finds a Python that has these modules.
func pythonWith(t *testing.T, modules ...string) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import "+strings.Join(modules, ", ")).Run() == nil {
			return name
		}
	}
	why := fmt.Sprintf("no python3 with %q (Debian: python3-setuptools, python3-wheel, python3-pip, python3-venv)", modules)
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
	return ""
}

// TestQuickstartPHP installs clients/php by composer into an empty project and runs
// the example of its page.
func TestQuickstartPHP(t *testing.T) {
	t.Parallel()
	composer := program(t, "composer")
	source := filepath.Join(wstest.Root(t), "clients/php")
	q := newQuickstart(t)
	q.run(t, composer, "validate", "--strict", "--no-interaction", filepath.Join(source, "composer.json"))
	project := fmt.Sprintf(`{"name":"new/comer","repositories":[{"type":"path","url":%q,"options":{"symlink":false}},{"packagist.org":false}],"require":{"castgate/castgate":"*"},"minimum-stability":"dev"}`, source)
	if err := os.WriteFile(filepath.Join(q.dir, "composer.json"), []byte(project), 0o600); err != nil {
		t.Fatal(err)
	}
	q.run(t, composer, "install", "--no-interaction", "--quiet")
	blocks := codeBlocks(t, "clients/php/README.md", "php", 4)
	q.write(t, "quickstart.php", blocks[0], blocks[1], blocks[3])
	q.write(t, "receiver.php", blocks[2])
	php := program(t, "php", "php-cli")
	q.expect(t, q.run(t, php, "quickstart.php", q.c.ID), "reached 1", q.c.ID+" 42", "unknown_client 404", "0", "1",
		"castgate.client.connected true", "castgate.client.bound true")
	q.receive(t, php, "-S", q.receiver, "receiver.php")
	q.roundTrip(t, q.site(t, "php", "backend.php", phpCommands, "COMPOSER_DISABLE_NETWORK=1"))
}

// TestQuickstartNode installs what npm packs of clients/node into an empty project,
// runs the example of its page and compiles code that uses its types.
func TestQuickstartNode(t *testing.T) {
	t.Parallel()
	q := newQuickstart(t)
	q.dir = packed(t, "clients/node", "castgate.js", "castgate.d.ts", "command.js", "error.js", "events.js", "transport.js", "types.d.ts", "package.json", "README.md")
	blocks := codeBlocks(t, "clients/node/README.md", "js", 5)
	q.write(t, "quickstart.mjs", blocks[0], blocks[1], blocks[3], blocks[4])
	q.write(t, "receiver.mjs", blocks[2])
	q.certificates(t)
	node := program(t, "node", "nodejs")
	q.expect(t, q.run(t, node, "quickstart.mjs", q.c.ID), "reached 1", q.c.ID+" 42", "unknown_client 404", "0", "1",
		"castgate.client.connected true", "castgate.client.bound true")
	q.receive(t, node, "receiver.mjs")
	site := q.site(t, "js", "backend.mjs", nodeCommands)
	q.roundTrip(t, site)
	q.browse(t, site)
	usage := `import { CastgateError, Client, verify, type PushAnswer } from '@castgate/backend';
const g = new Client('unix:/x', { key: 'k', timeout: 1, tls: { ca: 'x', minVersion: 'TLSv1.3' } });
const a: PushAnswer = await g.push({ to: { uids: ['a'] }, data: new Uint8Array(1), wait: true }, { signal: AbortSignal.timeout(1) });
for await (const { uid, clients } of g.uids({ group: 'g' })) uid.length + clients + (a.written ?? 0);
const [first] = await g.batch().bind({ client_id: 'c', uid: 'u' }).kick({ to: { all: true } }).send();
if (first.error instanceof CastgateError && first.error.code === 'unknown_client') verify(new Headers(), '', ['s'])[0].id;
// @ts-expect-error: a push without a message
await g.push({ to: { all: true } });
// @ts-expect-error: no such code
new CastgateError('busy', '').code === 'bussy';
`
	if err := os.WriteFile(filepath.Join(q.dir, "usage.mts"), []byte(usage), 0o600); err != nil {
		t.Fatal(err)
	}
	ran(t, q.dir, filepath.Join(nodeTools(t), "tsc"), "--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom,dom.iterable", "--module", "nodenext", "--moduleResolution", "nodenext", "usage.mts")
}

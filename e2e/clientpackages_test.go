package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// quickstart is the newcomer: a project that is empty but for the package, and the
// code of the documentation.
type quickstart struct {
	g   *wstest.Gateway
	c   *wstest.Client
	dir string
}

func newQuickstart(t *testing.T) *quickstart {
	t.Helper()
	g := wstest.StartWith(t, wstest.Options{Key: controlKey, Flags: []string{"--control-key", controlKey}})
	return &quickstart{g: g, c: g.Dial(t), dir: t.TempDir()}
}

// codeBlock is the n-th code block in this language of a page of documentation.
func codeBlock(t *testing.T, page, language string, n int) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(wstest.Root(t), page))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	if len(blocks) <= n {
		t.Fatalf("%s has %d blocks in %s", page, len(blocks), language)
	}
	return blocks[n][1]
}

// write writes a code block of the documentation into the project.
func (q *quickstart) write(t *testing.T, page, language string, n int, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(q.dir, name), []byte(codeBlock(t, page, language, n)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// run runs a command in the project and returns what it prints.
func (q *quickstart) run(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	cmd := exec.Command(name, arguments...)
	cmd.Dir = q.dir
	cmd.Env = append(os.Environ(), "CASTGATE_CONTROL="+q.g.ControlAddr, "CASTGATE_CONTROL_KEY="+controlKey, "GOWORK=off", "GOFLAGS=-mod=mod", "COMPOSER_ALLOW_SUPERUSER=1", "COMPOSER_HOME="+q.dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", filepath.Base(name), arguments, err, out)
	}
	return string(out)
}

// expect compares what a quick start has printed, and what the client got.
func (q *quickstart) expect(t *testing.T, out string, lines ...string) {
	t.Helper()
	if want := strings.Join(lines, "\n") + "\n"; out != want {
		t.Errorf("printed\n%swant\n%s", out, want)
	}
	q.c.Expect(`{"hello":"42"}`)
}

// TestQuickstartGo runs the example of clients/go in a module of its own.
func TestQuickstartGo(t *testing.T) {
	t.Parallel()
	q := newQuickstart(t)
	q.write(t, "clients/go/README.md", "go", 0, "main.go")
	q.run(t, "go", "mod", "init", "quickstart")
	q.run(t, "go", "mod", "edit", "-require=github.com/castgate/castgate-go@v0.0.0", "-replace=github.com/castgate/castgate-go="+filepath.Join(wstest.Root(t), "clients/go"))
	q.run(t, "go", "vet", ".")
	q.expect(t, q.run(t, "go", "run", ".", q.c.ID), "reached 1", q.c.ID+" 42", "true")
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
	q.write(t, "clients/python/README.md", "python", 0, "quickstart.py")
	q.write(t, "clients/python/README.md", "python", 1, "withasyncio.py")
	q.expect(t, q.run(t, inside, "-I", "quickstart.py", q.c.ID), "reached 1", q.c.ID+" 42", "unknown_client 404")
	if out := q.run(t, inside, "-I", "withasyncio.py", q.c.ID); out != "42 1\n" {
		t.Errorf("with asyncio it printed %q", out)
	}
	q.c.Expect("hello, readers")
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

// TestPythonClient runs the unit tests of clients/python.
func TestPythonClient(t *testing.T) {
	t.Parallel()
	out := ran(t, wstest.Root(t), program(t, "python3"), "-m", "unittest", "discover", "-s", "clients/python/tests")
	if !regexp.MustCompile(`Ran \d\d tests in`).MatchString(out) {
		t.Error(out)
	}
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
	q.write(t, "clients/php/README.md", "php", 0, "quickstart.php")
	q.expect(t, q.run(t, program(t, "php", "php-cli"), "quickstart.php", q.c.ID), "reached 1", q.c.ID+" 42", "unknown_client 404")
}

// pageLimit is how many bytes the client for pages may have, compressed as servers
// do, not minified.
const pageLimit = 3000

// TestPageClientPackage: the size of the client for pages, its unit tests, its
// types, and the package that npm makes of it.
func TestPageClientPackage(t *testing.T) {
	t.Parallel()
	root := wstest.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "clients/js/castgate.js"))
	if err != nil {
		t.Fatal(err)
	}
	var compressed bytes.Buffer
	w, err := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(text)
	w.Close()
	t.Logf("%d bytes, %d compressed", len(text), compressed.Len())
	if compressed.Len() > pageLimit {
		t.Errorf("castgate.js has %d bytes compressed, more than %d", compressed.Len(), pageLimit)
	}
	out := ran(t, root, program(t, "node", "nodejs"), "--test", "clients/js/test/page.test.mjs")
	if !strings.Contains(out, "fail 0") || !regexp.MustCompile(`pass \d\d`).MatchString(out) {
		t.Error(out)
	}
	dir := packed(t, "clients/js", "castgate.d.ts", "castgate.js", "package.json", "README.md")
	usage := `import { connect, Message, type State } from '@castgate/page';
const c = connect('ws://x/', { bind: async (id, signal) => fetch('/b?' + id, { signal }), message: (m: Message) => m.text?.length, state: (s: State, d) => d.delay, token: (renew) => String(renew) });
// @ts-expect-error: no such option
connect('ws://x/', { bnid: '/b' });
c.open();
`
	if err := os.WriteFile(filepath.Join(dir, "usage.ts"), []byte(usage), 0o600); err != nil {
		t.Fatal(err)
	}
	ran(t, dir, filepath.Join(nodeTools(t), "tsc"), "--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom", "--module", "esnext", "--moduleResolution", "bundler", "usage.ts")
	ran(t, dir, program(t, "node", "nodejs"), "--input-type=module", "-e", "import { connect } from '@castgate/page'; if (typeof connect !== 'function') process.exit(1)")
}

// packed makes npm's package of a folder, which must hold exactly these files, and
// installs it into an empty project.
func packed(t *testing.T, folder string, files ...string) (dir string) {
	t.Helper()
	npm := program(t, "npm")
	dir = t.TempDir()
	var packages []struct {
		Filename string
		Files    []struct{ Path string }
	}
	out := ran(t, filepath.Join(wstest.Root(t), folder), npm, "pack", "--silent", "--json", "--pack-destination", dir)
	if err := json.Unmarshal([]byte(out), &packages); err != nil || len(packages) != 1 {
		t.Fatalf("npm pack printed %s: %v", out, err)
	}
	var got []string
	for _, f := range packages[0].Files {
		got = append(got, f.Path)
	}
	slices.Sort(got)
	slices.Sort(files)
	if !slices.Equal(got, files) {
		t.Errorf("%s: the package has the files %q, want %q", folder, got, files)
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"name":"newcomer","private":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	ran(t, dir, npm, "install", "--silent", "--offline", "--no-audit", "--no-fund", "./"+packages[0].Filename)
	return dir
}

// TestQuickstartNode installs what npm packs of clients/node into an empty project,
// runs the example of its page and compiles code that uses its types.
func TestQuickstartNode(t *testing.T) {
	t.Parallel()
	q := newQuickstart(t)
	q.dir = packed(t, "clients/node", "castgate.js", "castgate.d.ts", "command.js", "error.js", "events.js", "transport.js", "types.d.ts", "package.json", "README.md")
	q.write(t, "clients/node/README.md", "js", 0, "quickstart.mjs")
	q.expect(t, q.run(t, program(t, "node", "nodejs"), "quickstart.mjs", q.c.ID), "reached 1", q.c.ID+" 42", "unknown_client 404")
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

// TestNodeClient runs the unit tests of clients/node. One compares the verifier with
// the reference library of Standard Webhooks.
func TestNodeClient(t *testing.T) {
	t.Parallel()
	tools := filepath.Join(nodeTools(t), "..", "..", "package.json")
	cmd := exec.Command(program(t, "node", "nodejs"), "--test", "clients/node/test/client.test.mjs")
	cmd.Dir = wstest.Root(t)
	cmd.Env = append(os.Environ(), "TOOLS="+tools)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "fail 0") || !strings.Contains(string(out), "skipped 0") {
		t.Errorf("%v\n%s", err, out)
	}
}

package castgate_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"castgate/internal/snippets"
)

// What is not the name of a test in blockTests.
const (
	picture = "picture" // it is looked at
	shell   = "shell"   // TestShellBlocks: it changes hosts that tests do not have
)

// blockTests says of each block of the documents which test runs it, or holds it against
// what the program does. Tests are written as directory.Name. A new block must come in.
var blockTests = map[string]string{
	"ARCHITECTURE.md | Architecture | 1":                                                   picture,
	"BENCHMARKS.md | Events to a backend | 1":                                              "cmd/bench.TestDocumentedCommandLines",
	"BENCHMARKS.md | Events to a backend | 2":                                              "cmd/bench.TestDocumentedCommandLines",
	"BENCHMARKS.md | Method | 1":                                                           "cmd/bench.TestDocumentedCommandLines",
	"BENCHMARKS.md | Slices by need | 1":                                                   "cmd/bench.TestDocumentedCommandLines",
	"BENCHMARKS.md | The admin page | *":                                                   "cmd/bench.TestDocumentedCommandLines",
	"BENCHMARKS.md | gnet's engine beside its poller | 1":                                  "cmd/bench.TestDocumentedCommandLines",
	"BENCHMARKS.md | The same on a slower machine | 1":                                     "cmd/bench.TestDocumentedCommandLines",
	"README.md | A first push | *":                                                         "e2e.TestFirstPushOfReadme",
	"README.md | Start | 1":                                                                shell,
	"README.md | castgate | 1":                                                             picture,
	"clients/go/README.md | *":                                                             "e2e.TestQuickstartGo",
	"clients/js/README.md | *":                                                             "e2e.TestPageInBrowsers",
	"clients/node/README.md | *":                                                           "e2e.TestQuickstartNode",
	"clients/php/README.md | *":                                                            "e2e.TestQuickstartPHP",
	"clients/php/README.md | Castgate\\Client | 4":                                         "e2e.TestPHPSyntax",
	"clients/php/README.md | Castgate\\Client | 5":                                         "e2e.TestPHPSyntax",
	"clients/php/README.md | GatewayClient's calls over HTTP | *":                          "e2e.TestPHPSyntax",
	"clients/python/README.md | *":                                                         "e2e.TestQuickstartPython",
	"docs/admin.md | *":                                                                    "cmd/castgate.TestDocumentedSettings",
	"docs/authentication.md | Keys of the control API | 1":                                 "e2e.TestDocumentedCommands",
	"docs/authentication.md | Tokens | 1":                                                  "e2e.TestPageInBrowsers",
	"docs/browser.md | *":                                                                  "e2e.TestPageInBrowsers",
	"docs/cluster.md | Start | *":                                                          "cmd/castgate.TestDocumentedSettings",
	"docs/configuration.md | *":                                                            "e2e.TestDocumentedCommands",
	"docs/control-api.md | *":                                                              "e2e.TestDocumentedCommands",
	"docs/deployment.md | A container | 1":                                                 "e2e.TestDeploymentInContainer",
	"docs/deployment.md | A package | 1":                                                   shell,
	"docs/deployment.md | Kubernetes | 1":                                                  shell,
	"docs/deployment.md | Monitoring | 1":                                                  ".TestDocumentedScrapes",
	"docs/deployment.md | The program by hand | 1":                                         "e2e.TestDeploymentByHand",
	"docs/deployment.md | The program by hand | 2":                                         ".TestDocumentedUnits",
	"docs/events.md | Go | 1":                                                              "e2e.TestEventReceivers",
	"docs/events.md | Node | 1":                                                            "e2e.TestEventReceivers",
	"docs/events.md | PHP | 1":                                                             "e2e.TestEventReceivers",
	"docs/events.md | Python | 1":                                                          "e2e.TestEventReceivers",
	"docs/events.md | The connect hook | 1":                                                "cmd/castgate.TestDocumentedSettings",
	"docs/events.md | The connect hook | 2":                                                "server/events.TestDocumentedEvents",
	"docs/events.md | The connect hook | 3":                                                "server/events.TestDocumentedEvents",
	"docs/events.md | castgate.client.connected | 1":                                       "server/events.TestDocumentedEvents",
	"docs/events.md | castgate.client.message | 1":                                         "server/events.TestDocumentedEvents",
	"docs/events.md | castgate.events.lost | 1":                                            "server/events.TestDocumentedEvents",
	"docs/events.md | castgate.node.lost and castgate.node.back | 1":                       "server/events.TestDocumentedEvents",
	"docs/events.md | Events: what clients do, told to your backend | 1":                   "cmd/castgate.TestDocumentedSettings",
	"docs/gatewayworker-protocol.md | 11. Captured bytes | 1":                              "codec/gatewayworker.TestProtocolDocument",
	"docs/gatewayworker.md | With workers, and without | 1":                                ".TestDocumentedPeerID",
	"docs/gatewayworker.md | castgate instead of GatewayWorker's Gateway and Register | 1": "cmd/castgate.TestDocumentedSettings",
	"docs/handshakes.md | Accepted here, failed in the browser | 1":                        "e2e.TestPageInBrowsers",
	"docs/handshakes.md | Compression and old clients | 1":                                 "cmd/castgate.TestDocumentedSettings",
	"docs/handshakes.md | One line for each connection that ends | 1":                      "e2e.TestDocumentedRefusals",
	"docs/handshakes.md | Refusals | 1":                                                    "e2e.TestDocumentedRefusals",
	"docs/load-tests.md | *":                                                               "cmd/loadtest.TestDocumentedCommandLines",
	"docs/quickstart.md | 1. The gateway | 1":                                              "e2e.TestQuickstartNode",
	"docs/quickstart.md | 2. The page | *":                                                 "e2e.TestQuickstartNode",
	"docs/quickstart.md | 4. Try it | 1":                                                   "e2e.TestQuickstartNode",
	"docs/quickstart.md | Go | *":                                                          "e2e.TestQuickstartGo",
	"docs/quickstart.md | Node | *":                                                        "e2e.TestQuickstartNode",
	"docs/quickstart.md | PHP | *":                                                         "e2e.TestQuickstartPHP",
	"docs/quickstart.md | Python | *":                                                      "e2e.TestQuickstartPython",
	"docs/quickstart.md | Quick start | 1":                                                 picture,
	"docs/rolling-updates.md | Bare metal with `--reuse-port` | 1":                         "cmd/castgate.TestDocumentedSettings",
	"docs/rolling-updates.md | Behind nginx or HAProxy | *":                                "e2e.TestDocumentedProxies",
	"docs/rolling-updates.md | Kubernetes | 1":                                             "deploy/kinds.TestDocumentedPod",
	"docs/rolling-updates.md | systemd with its sockets | *":                               ".TestDocumentedUnits",
	"docs/sizing.md | Files and ports | 1":                                                 "e2e.TestDocumentedCommands",
	"docs/sizing.md | Processors | 1":                                                      picture,
	"examples/cluster/README.md | *":                                                       "e2e.TestClusterExample",
	"examples/gatewayworker/README.md | *":                                                 "e2e.TestGatewayWorkerExample",
	"examples/go/README.md | *":                                                            "e2e.TestGoExample",
	"examples/laravel/README.md | *":                                                       "e2e.TestLaravelExample",
	"examples/php/README.md | *":                                                           "e2e.TestPHPExample",
	"examples/presence/README.md | *":                                                      "e2e.TestPresenceInGo",
}

// testOf is the test of a block, and how it is written in blockTests: for one block, for
// all below a heading, or for all of a document.
func testOf(b *snippets.Block) (test, as string) {
	for _, as := range []string{b.Name(), b.File + " | " + b.Heading + " | *", b.File + " | *"} {
		if test := blockTests[as]; test != "" {
			return test, as
		}
	}
	return "", ""
}

// blocksWith are the blocks that a test is for.
func blocksWith(t *testing.T, test string) (list []snippets.Block) {
	t.Helper()
	all, err := snippets.All(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range all {
		if of, _ := testOf(&b); of == test {
			list = append(list, b)
		}
	}
	if len(list) == 0 {
		t.Fatalf("no block of a document is for %s", test)
	}
	return list
}

// Each block of a document has a test, and each of these tests is there.
func TestBlocksAreTested(t *testing.T) {
	all, err := snippets.All(".")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, b := range all {
		test, as := testOf(&b)
		if used[as] = true; test == "" {
			t.Errorf("%s:%d: no test runs this block: add %q to blockTests\n%s", b.File, b.Line, b.Name(), b.Text)
		}
	}
	tests := map[string]bool{picture: true, shell: true}
	for _, s := range sources(t) {
		if !s.isTest() {
			continue
		}
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`).FindAllStringSubmatch(string(s.text), -1) {
			tests[strings.TrimPrefix(s.dir(), ".")+"."+m[1]] = true
		}
	}
	for as, test := range blockTests {
		if !used[as] {
			t.Errorf("blockTests: there is no block %q", as)
		}
		if !tests[test] {
			t.Errorf("blockTests: there is no test %s", test)
		}
	}
}

// knownCommands are the programs that blocks of commands begin with. Lines of castgate, of
// loadtest and of bench are parsed in their packages.
var knownCommands = []string{
	"castgate", "bin/castgate", "bin/loadtest", "bin/bench", "./examples/cluster/run.sh", "make", "sudo", "docker", "kubectl",
	"composer", "npm", "pip", "go", "php", "python3", "node", "openssl", "curl", "cd", "echo", "kill",
	"export", "mkdir", "cp", "env/bin/pip", "env/bin/python",
}

// Blocks of commands are what a shell can read. They call programs and make's targets that
// there are.
func TestShellBlocks(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	target := regexp.MustCompile(`(?m)^([a-z0-9-]+):`)
	targets := map[string]bool{}
	for _, m := range target.FindAllStringSubmatch(string(makefile), -1) {
		targets[m[1]] = true
	}
	all, err := snippets.All(".")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^(?:[A-Za-z_]+=\S* +)*([\w./-]+)((?: (?:[^\n\\#]|\\\n)*)?)`)
	for _, b := range all {
		first := command.FindStringSubmatch(b.Text)
		if b.Language != "sh" && (b.Language != "" || first == nil || !slices.Contains(knownCommands, first[1])) {
			continue
		}
		check := exec.Command("sh", "-n")
		check.Stdin = strings.NewReader(b.Text)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", b.Name(), err, out)
		}
		for _, m := range command.FindAllStringSubmatch(b.Text, -1) {
			name, args := m[1], strings.Fields(strings.ReplaceAll(m[2], "\\\n", " "))
			switch {
			case !slices.Contains(knownCommands, name):
				t.Errorf("%s: nobody knows the program %q", b.Name(), name)
			case name == "make" && (len(args) == 0 || !targets[args[0]]):
				t.Errorf("%s: make has no target %q", b.Name(), args)
			case name == "docker" || name == "kubectl":
				expectUnderstood(t, &b, name, args)
			}
		}
	}
}

// expectUnderstood expects that programs that work on other hosts know the flags of a
// command. Where they are not installed, nobody can tell.
func expectUnderstood(t *testing.T, b *snippets.Block, name string, args []string) {
	t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		t.Logf("%s: no %s here", b.Name(), name)
		return
	}
	cmd := exec.Command(program, append(args, "--help")...)
	if name == "kubectl" && args[0] == "create" {
		cmd = exec.Command(program, append(args, "--dry-run=client", "--output=name")...)
		cmd.Dir = t.TempDir()
		if err := os.WriteFile(filepath.Join(cmd.Dir, "keys"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if name == "docker" {
		image := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "registry.") })
		cmd = exec.Command(program, append(args[:image:image], "--help")...)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %s %q: %v\n%s", b.Name(), name, args, err, out)
	}
}

// tool finds a program that ci/deps.sh installs.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("no %s; ci/deps.sh installs it", name)
	}
	return path
}

// unitFiles writes the units of a block into a folder. A comment begins each of them; a
// block without one is of the service. Their program becomes one that is there.
func unitFiles(t *testing.T, b *snippets.Block, program string) (files []string) {
	t.Helper()
	name, texts := "castgate.service", map[string]string{}
	begins := regexp.MustCompile(`^# (castgate@?)(\.service|\.socket)`)
	for line := range strings.Lines(b.Text) {
		if m := begins.FindStringSubmatch(line); m != nil {
			if name = m[1] + m[2]; m[1] == "castgate@" {
				name = "castgate@a" + m[2]
			}
		}
		if !strings.HasPrefix(line, "systemctl ") {
			texts[name] += strings.ReplaceAll(line, "/usr/local/bin/castgate", program)
		}
	}
	dir := t.TempDir()
	for name, text := range texts {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// systemd reads the units of the documents, and has nothing against them.
func TestDocumentedUnits(t *testing.T) {
	analyze, program := tool(t, "systemd-analyze"), tool(t, "true")
	for _, b := range blocksWith(t, ".TestDocumentedUnits") {
		cmd := exec.Command(analyze, append([]string{"verify", "--man=no"}, unitFiles(t, &b, program)...)...)
		if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "nknown key") {
			t.Errorf("%s: %v\n%s\n%s", b.Name(), err, out, b.Text)
		}
	}
}

// promtool takes the documented configuration of Prometheus.
func TestDocumentedScrapes(t *testing.T) {
	program := tool(t, "promtool")
	for _, b := range blocksWith(t, ".TestDocumentedScrapes") {
		file := filepath.Join(t.TempDir(), "prometheus.yml")
		if err := os.WriteFile(file, []byte(b.Text), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(program, "check", "config", "--syntax-only", file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", b.Name(), err, out)
		}
	}
}

// The id of a client in docs/gatewayworker.md names the inner address of the example.
func TestDocumentedPeerID(t *testing.T) {
	for _, b := range blocksWith(t, ".TestDocumentedPeerID") {
		if want := regexp.MustCompile(`^{"type":"init","client_id":"7f0000010b54[0-9a-f]{8}"}\n$`); !want.MatchString(b.Text) { // 127.0.0.1:2900
			t.Errorf("%s: %s", b.Name(), b.Text)
		}
	}
}

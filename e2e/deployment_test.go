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

// scratchHost makes /etc, /var/lib and /usr/local/bin of a mount namespace its own, so
// that commands of documents change nobody's. Its sudo and its docker do what these do to
// users and arguments; a container's mount is a folder below the current one.
const scratchHost = `set -eu
mkdir etc lib local
cp -a /etc/. etc
cat > local/sudo <<'END'
#!/bin/sh
if [ "$1" = -u ]; then user=$2; shift 2; exec setpriv --reuid "$user" --regid "$user" --clear-groups "$@"; fi
exec "$@"
END
cat > local/docker <<'END'
#!/bin/sh
while [ "${1%%/*}" != registry.example.com ]; do shift; done
shift
exec setpriv --reuid 65532 --regid 65532 --clear-groups castgate "$@"
END
chmod 0755 local/*
chmod 0755 .
export PATH="/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
mount --bind etc /etc
mount --bind lib /var/lib
mount --bind local /usr/local/bin
`

// deploys runs a block of docs/deployment.md word by word, but for the ports. Its last
// command is a gateway, which runs as no root and takes the first key that was printed.
func deploys(t *testing.T, heading string, replace ...string) {
	t.Helper()
	unshare := program(t, "unshare")
	if err := exec.Command(unshare, "-m", "true").Run(); err != nil {
		t.Skipf("only root can have a scratch host: %v", err)
	}
	dir, control := t.TempDir(), wstest.FreeAddr(t)
	_, port, _ := strings.Cut(control, ":")
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(wstest.Command(t).Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/castgate"), text, 0o755); err != nil {
		t.Fatal(err)
	}
	block := strings.NewReplacer(append(replace, "make build\n", "", "--control 0.0.0.0:7273 ", "")...).Replace(documented(t, "docs/deployment.md", heading, 1))
	last := regexp.MustCompile(`(?s)^(.*\n)(\S.*)\n$`).FindStringSubmatch(block)
	script := scratchHost + last[1] + "exec " + last[2] + " --control 0.0.0.0:" + port + " --listen " + wstest.FreeAddr(t) + " --admin " + wstest.FreeAddr(t)
	cmd := exec.Command(unshare, "-m", "sh", "-c", script)
	cmd.Dir = dir
	p := wstest.Spawn(t, cmd)
	wstest.Await(t, func() string {
		select {
		case <-p.Done():
			t.Fatalf("it has ended:\n%s\n%s", script, p.Log())
		default:
		}
		if !strings.Contains(p.Log(), "castgate is serving") {
			return "nothing serves:\n" + p.Log()
		}
		return ""
	})
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID()))
	if err != nil || !strings.Contains(string(status), "Name:\tcastgate\n") || strings.Contains(string(status), "Uid:\t0\t") {
		t.Errorf("%v, %s", err, status)
	}
	for key, want := range map[string]int{regexp.MustCompile(`\bcastgate_\S+`).FindString(p.Log()): 200, "": 401} {
		request, err := http.NewRequest(http.MethodPost, "http://"+control+"/v1/push", strings.NewReader(`{"to":{"all":true},"text":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("a push with the key %q is answered %d, want %d", key, resp.StatusCode, want)
		}
	}
}

func TestDeploymentByHand(t *testing.T) {
	t.Parallel()
	deploys(t, "The program by hand")
}

func TestDeploymentInContainer(t *testing.T) {
	t.Parallel()
	// The image has the program already, and a folder at the root.
	deploys(t, "A container", "sudo install -d", "install bin/castgate /usr/local/bin/\nsudo install -d", " /keys/", " keys/")
}

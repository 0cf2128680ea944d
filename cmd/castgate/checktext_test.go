package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline/linetest"
	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/process"
)

// What a text or an item probably contains by accident is refused with that
// reason, wherever it comes from, and never shown.
func TestTextsByAccident(t *testing.T) {
	const secret = "a-secret-of-more-than-thirty-two-bytes"
	for _, tt := range []struct {
		name, value, want string
	}{
		{"jwt-issuer", " ", "has leading or trailing white space"},
		{"jwt-issuer", "login\n", "has leading or trailing white space"},
		{"jwt-issuer", `"login"`, `is in quotes (")`},
		{"jwt-issuer", "lo\ngin", "has a control character"},
		{"jwt-audience", " push", "has leading or trailing white space"},
		{"jwt-audience", "'push'", "is in quotes (')"},
		{"jwt-audience", "pu\x00sh", "has a control character"},
		{"jwt-secret", secret + "\n", "has leading or trailing white space"},
		{"jwt-secret", `"` + secret + `"`, "is in quotes"},
		{"jwt-secret", "\ufeff" + secret, "begins with a byte order mark"},
		{"gatewayworker-secret", `"` + secret + `"`, "is in quotes"},
		{"control-key", `"` + secret + `"`, "item 1 is in quotes"},
		{"control-key", secret + ",'" + secret + "'", "item 2 is in quotes"},
		{"control-keys-file", "/etc/keys\n", "has leading or trailing white space"},
		{"tls-cert", "a.pem,,b.pem", "item 2 is empty"},
		{"tls-key", "a.pem,,b", "item 2 is empty"},
		{"trusted-proxies", "10.0.0.1, ,10.0.0.2", "item 2 is empty"},
		{"allowed-origins", "'https://a.example'", "item 1 is in quotes"},
		{"allowed-origins", "https://a.example\nhttps://b.example", "item 1 has a control character"},
		{"control-allow", `"10.0.0.0/8"`, "item 1 is in quotes"},
		{"gatewayworker-join", "10.0.0.1:1236,,10.0.0.2:1236", "item 2 is empty"},
		{"log-level", `"info"`, "is in quotes"},
		{"audit-log", "stderr ", "has leading or trailing white space"},
		{"control", `"127.0.0.1:7273"`, "is in quotes"},
		{"control", "unix:/run/a\nb.sock", "has a control character"},
	} {
		file := linetest.File(t, "castgate.toml", knob.TOML(tt.name, tt.value), 0o600)
		for from, try := range map[string]struct{ args, environ []string }{
			"flag":     {[]string{"--" + tt.name + "=" + tt.value}, nil},
			"variable": {nil, []string{knob.Variable(tt.name) + "=" + tt.value}},
			"file":     {[]string{"--config", file}, nil},
		} {
			if from == "file" && strings.Contains(tt.value, ",") {
				continue // is one item there
			}
			if strings.Contains(tt.value, "\x00") && from == "variable" {
				continue // not possible in an environment
			}
			_, err := resolved(t, try.args, try.environ)
			if err == nil || !strings.HasPrefix(err.Error(), "--"+tt.name+": "+tt.want) || strings.Contains(err.Error(), secret) {
				t.Errorf("%s %s=%q: %v, want %q", from, tt.name, tt.value, err, tt.want)
			}
		}
	}
	for _, args := range [][]string{{"--init-message", `"hello"`}, {"--init-message", " \n"}, {"--control-key", "a'b,c\"d"}, {"--allowed-origins", " https://a.example , b.example"}} {
		if _, err := resolved(t, args, nil); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// A secret that is the path of a file could be guessed by anybody: the @ before
// it was forgotten.
func TestSecretsThatArePaths(t *testing.T) {
	file := linetest.File(t, "keys", "a secret of more than thirty-two bytes\n", 0o600)
	t.Chdir(filepath.Dir(file))
	for _, path := range []string{file, "./keys"} {
		for _, name := range []string{"control-key", "jwt-secret", "gatewayworker-secret"} {
			want := "--" + name + ": "
			if name == "control-key" {
				want += "item 1 "
			}
			want += "is the path of a file; write @ before it to use the file's content"
			if _, err := resolved(t, []string{"--" + name + "=" + path}, nil); err == nil || err.Error() != want {
				t.Errorf("%s=%s: %v, want %q", name, path, err, want)
			}
			if _, err := resolved(t, nil, []string{knob.Variable(name) + "=" + path}); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s=%s: %v, want %q", knob.Variable(name), path, err, want)
			}
		}
	}
	if code, _, errs := runIn([]string{"stats", "--control-key", file}, nil, ""); code != process.ExitUsage || !strings.Contains(errs, "is the path of a file") {
		t.Errorf("stats: exit %d, %q", code, errs)
	}
	for _, key := range []string{"keys", file + "x", "a/b", "/"} {
		if _, err := resolved(t, []string{"--control-key", key}, nil); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// A scalar has one value, a list may have many.
func TestGivenTwice(t *testing.T) {
	for _, args := range [][]string{
		{"--node", "1", "--node", "2"}, {"--node=1", "--node=1"}, {"--compress", "--compress"}, {"--compress", "--compress=false"},
		{"--ping-interval=1s", "--listen=:1", "--ping-interval=4s"}, {"--config=/a", "--config=/b"}, {"--control=127.0.0.1:1", "--control=127.0.0.1:1"},
		{"--jwt-secret=a", "--jwt-secret=b"},
	} {
		_, err := resolved(t, args, nil)
		name, _, _ := strings.Cut(args[0], "=")
		if err == nil || err.Error() != name+": given twice; it takes one value" {
			t.Errorf("%q: %v", args, err)
		}
	}
	for _, args := range [][]string{{"push", "--all", "--text=a", "--text=b"}, {"stats", "--control=127.0.0.1:1", "--control=127.0.0.1:2"}, {"doctor", "--conns=1", "--conns=2"}} {
		if code, _, errs := runIn(args, nil, ""); code != process.ExitUsage || !strings.Contains(errs, "given twice") {
			t.Errorf("%q: exit %d, %q", args, code, errs)
		}
	}
	e, err := resolved(t, []string{"--listen=:7001", "--listen=:7002", "--allowed-origins=a.example", "--allowed-origins=b.example"}, nil)
	if err != nil || len(e.server.Listen) != 2 || len(e.server.AllowedOrigins) != 2 {
		t.Errorf("lists: %v", err)
	}
}

// A file that begins with a byte order mark is refused with that reason: in
// keys and secrets the mark would count.
func TestByteOrderMarks(t *testing.T) {
	set, err := os.ReadFile("testdata/jwks.json")
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile("testdata/ed25519.pem")
	if err != nil {
		t.Fatal(err)
	}
	const bom = "\xef\xbb\xbf"
	secret := "a secret of more than thirty-two bytes"
	utf16 := "\xff\xfe" + strings.Join(strings.Split(secret, ""), "\x00") + "\x00"
	for _, tt := range []struct{ flag, text string }{
		{"config=", bom + "listen = ':7272'\n"}, {"config=", "\xff\xfel\x00o\x00o\x00"}, {"config=", "\xfe\xff\x00l"},
		{"jwt-secret=@", bom + secret}, {"jwt-secret=@", utf16},
		{"jwt-public-key=", bom + string(pem)}, {"jwt-public-key=", string(pem) + bom + string(pem)},
		{"jwt-jwks=", bom + string(set)},
		{"control-key=@", bom + "alpha\n"}, {"control-key=@", bom}, {"control-keys-file=", bom + "\n"},
		{"gatewayworker-secret=@", bom + "secret\n"},
	} {
		arg := "--" + tt.flag + linetest.File(t, "file", tt.text, 0o600)
		if _, err := resolved(t, []string{arg}, nil); err == nil || !strings.Contains(err.Error(), "byte order mark") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s %q: %v", tt.flag, tt.text[:min(len(tt.text), 12)], err)
		}
	}
}

package main

import (
	"fmt"
	"strings"
	"testing"

	"castgate/cmd/castgate/internal/commandline/linetest"
)

// Protections do not vanish with the rest of a file that was cut: each reload
// says why it is refused and changes nothing, and a complete file is accepted
// again.
func TestReloadKeepsGuards(t *testing.T) {
	line := "read a sha256:" + strings.Repeat("0f", 32) + "\n"
	keys, one := linetest.File(t, "keys", line, 0o600), linetest.File(t, "one", "alpha\n", 0o600)
	secret := linetest.File(t, "secret", strings.Repeat("a", 32), 0o600)
	const rest = "message-rate = 5\n"
	for _, tt := range []struct{ before, after, want string }{
		{"control-key = ['alpha']\n" + rest, rest, "--control-key: "},
		{"control-key = ['@" + one + "']\n" + rest, rest, "--control-key: "},
		{"control-key = ['alpha']\n" + rest, "control-key = []\n", "--control-key: "},
		{"control-keys-file = '" + keys + "'\n" + rest, rest, "--control-keys-file: "},
		{"jwt-secret = '@" + secret + "'\n" + rest, rest, "--jwt-secret: "},
		{"jwt-public-key = 'testdata/ed25519.pem'\n" + rest, rest, "--jwt-public-key: "},
		{"jwt-jwks = 'testdata/jwks.json'\n" + rest, rest, "--jwt-jwks: "},
		{"jwt-jwks = 'testdata/jwks.json'\njwt-public-key = 'testdata/ed25519.pem'\n", rest, "--jwt-jwks: "},
		{keysByURL, rest, "--jwt-jwks: "},
		{tokenSecret + "jwt-required = true\n", tokenSecret, "--jwt-required: "},
		{tokenSecret + "jwt-cookie = 'token'\nallowed-origins = ['a.example']\n", tokenSecret + "jwt-cookie = 'token'\n", "--allowed-origins: "},
		{controlTLS + "control-client-ca = 'ca'\n", controlTLS, "--control-client-ca: "},
		{controlTLS + "control-client-ca = 'ca'\n", rest, "--control-client-ca: "},
		{rest, "", "castgate.toml is empty now"},
		{rest, "\n# message-rate = 5\n", "castgate.toml is empty now"},
		{"control-key = ['alpha']\n", "", "castgate.toml is empty now"},
	} {
		r, a, file := running(t, tt.before)
		before := fmt.Sprintf("%+v", a)
		rewrite(t, file, tt.after)
		for range 2 {
			_, err := r.reload()
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "alpha") {
				t.Errorf("%q to %q: %v, want %q", tt.before, tt.after, err, tt.want)
			}
		}
		if after := fmt.Sprintf("%+v", a); after != before {
			t.Errorf("%q to %q: changed to %s", tt.before, tt.after, after)
		}
		rewrite(t, file, tt.before+"max-conns = 7\n")
		expectReload(t, r, "max-conns", "")
	}
}

// Explicit changes are made, and other protections may replace the removed
// ones.
func TestReloadChangesGuards(t *testing.T) {
	keys := linetest.File(t, "keys", "read a sha256:"+strings.Repeat("0f", 32)+"\n", 0o600)
	for _, tt := range []struct{ before, after, changed string }{
		{"", "# nothing yet\n", ""},
		{"control-key = ['alpha']\n", "control-keys-file = '" + keys + "'\n", "control-key control-keys-file"},
		{"control-key = ['alpha', 'beta']\n", "control-key = ['beta']\n", "control-key"},
		{tokenSecret, "jwt-public-key = 'testdata/ed25519.pem'\n", "jwt-secret jwt-public-key"},
		{tokenSecret, keysByURL, "jwt-secret jwt-jwks"},
		{keysByURL, tokenSecret, "jwt-secret jwt-jwks"},
		{tokenSecret + "jwt-required = true\n", tokenSecret + "jwt-required = false\n", "jwt-required"},
		{tokenSecret + "jwt-cookie = 'token'\nallowed-origins = ['a.example']\n", tokenSecret + "jwt-cookie = 'token'\nallowed-origins = []\n", "allowed-origins"},
		{tokenSecret + "jwt-cookie = 'token'\nallowed-origins = ['a.example']\n", tokenSecret, "allowed-origins jwt-cookie"},
		{controlTLS + "control-client-ca = 'ca'\ncontrol-key = ['alpha']\n", controlTLS + "control-key = ['alpha']\n", "control-client-ca"},
		{"max-conns = 7\nallowed-origins = ['a.example']\n", "max-conns = 7\n", "allowed-origins"},
	} {
		r, _, file := running(t, tt.before)
		rewrite(t, file, tt.after)
		expectReload(t, r, tt.changed, "")
	}
	// A key on the command line stays, whatever the file contains.
	r, a, file := running(t, "control-key = ['alpha']\nmax-conns = 7\n", "--control-key=beta")
	rewrite(t, file, "max-conns = 7\n")
	expectReload(t, r, "", "")
	if fmt.Sprint(a.access.Keys) != "[beta]" {
		t.Errorf("keys %q", a.access.Keys)
	}
}

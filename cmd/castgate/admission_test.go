package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"castgate/cmd/castgate/internal/commandline/linetest"
)

// The settings of who may connect reach the policy, also from the file, where
// rates may have a fraction.
func TestAdmissionSettings(t *testing.T) {
	secret := linetest.File(t, "secret", "a secret of more than thirty-two bytes\n", 0o600)
	file := linetest.File(t, "castgate.toml", "connect-rate-per-ip = 0.5\nmessage-rate = '2.5'\nbyte-rate = '1KiB'\n"+
		"trusted-proxies = ['10.0.0.0/8', 'fd00::1']\njwt-secret = '@"+secret+"'\njwt-required = true\njwt-leeway = '5s'\n", 0o600)
	e, err := resolved(t, []string{"--config", file, "--max-conns-per-ip=7", "--jwt-public-key=testdata/ed25519.pem", "--jwt-jwks=testdata/jwks.json"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := e.server.Policy
	if p.ConnectRate != 0.5 || p.MessageRate != 2.5 || p.ByteRate != 1024 || p.MaxConnsPerIP != 7 ||
		len(p.TrustedProxies) != 2 || p.TrustedProxies[1].Bits() != 128 || !p.JWT.Required || p.JWT.Leeway.Seconds() != 5 {
		t.Errorf("%+v", p)
	}
	algorithms := ""
	for _, k := range p.JWT.Keys {
		algorithms += k.Algorithm() + " "
	}
	if algorithms != "HS256 EdDSA EdDSA " || len(e.files) != 4 || len(e.warnings) != 0 {
		t.Errorf("keys for %s, files %q, warnings %q", algorithms, e.files, e.warnings)
	}
	if err := os.Chmod(secret, 0o644); err != nil {
		t.Fatal(err)
	}
	e, err = resolved(t, []string{"--jwt-secret=@" + secret}, nil)
	if err != nil || len(e.warnings) != 1 || !strings.Contains(e.warnings[0], "can be read by others") {
		t.Errorf("%v, %q", err, e.warnings)
	}
}

func TestWrongAdmissionSettings(t *testing.T) {
	empty := linetest.File(t, "empty", "\n", 0o600)
	brief := linetest.File(t, "brief", strings.Repeat("x", 31)+"\n", 0o600)
	long := strings.Repeat("x", 32)
	half := linetest.File(t, "half.pem", "-----BEGIN PUBLIC KEY-----\nMCow", 0o600)
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--trusted-proxies=10.0.0.0/33"}, `--trusted-proxies: "10.0.0.0/33" is neither an address nor a network`},
		{[]string{"--proxy-protocol"}, "--proxy-protocol: has no effect without trusted-proxies"},
		{[]string{"--connect-rate-per-ip=fast"}, `--connect-rate-per-ip: "fast" is not a rate such as 10 or 0.5`},
		{[]string{"--message-rate=-1"}, `--message-rate: "-1" is not a rate`},
		{[]string{"--message-rate=NaN"}, "--message-rate: "},
		{[]string{"--message-rate=0.0000001"}, "--message-rate: 1e-07 is not between 0.001 and 1e+06"},
		{[]string{"--message-burst=5"}, "--message-burst: has no effect without its rate"},
		{[]string{"--max-conns-per-ip=-1"}, "--max-conns-per-ip: -1 is not between 0"},
		{[]string{"--jwt-required"}, "--jwt-required: has no effect without jwt-secret"},
		{[]string{"--jwt-audience=push"}, "--jwt-audience: has no effect without jwt-secret"},
		{[]string{"--jwt-secret=@/nowhere"}, "--jwt-secret: open /nowhere"},
		{[]string{"--jwt-secret=@" + empty}, "--jwt-secret: the secret is empty"},
		{[]string{"--jwt-public-key=/nowhere"}, "--jwt-public-key: open /nowhere"},
		{[]string{"--jwt-public-key=" + half}, "--jwt-public-key: " + half + ": PEM block 1 is truncated"},
		{[]string{"--jwt-jwks=" + half}, "--jwt-jwks: " + half + ": not a JSON Web Key Set"},
		{[]string{"--jwt-secret=0123456789012345678901234567890"}, "--jwt-secret: the secret has 31 bytes; HS256 needs at least 32"},
		{[]string{"--jwt-secret=@testdata/ed25519.pem"}, "--jwt-secret: the secret is a key in PEM form, which may be public; use --jwt-public-key"},
		{[]string{"--jwt-secret=@testdata/jwks.json"}, "--jwt-secret: the secret is a JSON Web Key"},
		{[]string{"--jwt-secret=@" + brief}, "--jwt-secret: the secret has 31 bytes; HS256 needs at least 32"},
		{[]string{"--jwt-secret=" + long, "--jwt-leeway=1h"}, "--jwt-leeway: 1h0m0s is not between 0 and 10m0s"},
		{[]string{"--jwt-secret=" + long, "--jwt-query=a=b"}, `--jwt-query: "a=b" is not a name`},
	} {
		if _, err := resolved(t, tt.args, nil); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %q", tt.args, err, tt.want)
		}
	}
}

// A key set with a URL is not fetched to check it, and only fetched sets have a
// refresh interval. Five seconds of leeway are the default.
func TestKeysByURLSettings(t *testing.T) {
	e, err := resolved(t, []string{"--jwt-jwks=https://login.example/jwks.json?tenant=1", "--jwt-jwks-refresh=10m"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if j := e.server.JWT; j.JWKS != "https://login.example/jwks.json?tenant=1" || j.JWKSRefresh != 10*time.Minute || len(j.Keys) != 0 || j.Leeway != 5*time.Second || len(e.files) != 0 {
		t.Errorf("%+v, files %q", j, e.files)
	}
	if e, err := resolved(t, []string{"--jwt-jwks=http://[::1]:8080/jwks", "--jwt-required", "--jwt-leeway=0"}, nil); err != nil || e.server.JWT.Leeway != 0 || e.server.JWT.JWKSRefresh != time.Hour {
		t.Errorf("%v, %+v", err, e)
	}
	for args, want := range map[string]string{
		"--jwt-jwks=http://login.example/jwks.json":                              "--jwt-jwks: it is fetched without TLS",
		"--jwt-jwks=https://user:pw@login.example/":                              "--jwt-jwks: it has a user or password",
		"--jwt-jwks=https://":                                                    "--jwt-jwks: it is not a URL",
		"--jwt-jwks=file:///etc/jwks.json":                                       "--jwt-jwks: it ",
		"--jwt-jwks=https://login.example/ --jwt-jwks-refresh=1s":                "--jwt-jwks-refresh: 1s is not between 1m0s and 24h0m0s",
		"--jwt-jwks=testdata/jwks.json --jwt-jwks-refresh=5m":                    "--jwt-jwks-refresh: has no effect without a URL in jwt-jwks",
		"--jwt-jwks-refresh=5m":                                                  "--jwt-jwks-refresh: has no effect",
		"--jwt-secret=0123456789012345678901234567890123456789 --jwt-leeway=-1s": "--jwt-leeway: -1s is not between 0 and 10m0s",
		"--jwt-leeway=7s":                                                        "--jwt-leeway: has no effect",
	} {
		if _, err := resolved(t, strings.Fields(args), nil); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "pw@") {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}

func TestTokenSecretIsNotPrinted(t *testing.T) {
	const secret = "tell-nobody-about-this-long-secret"
	for _, args := range [][]string{
		{"config", "print", "--jwt-secret", secret},
		{"config", "check", "--jwt-secret", secret, "--jwt-leeway=1h"},
	} {
		if _, out, errs := runIn(args, nil, ""); strings.Contains(out+errs, secret) {
			t.Errorf("%q shows the secret:\n%s%s", args, out, errs)
		}
	}
	code, out, errs := runIn([]string{"config", "print", "--jwt-secret", secret}, nil, "")
	if code != 0 || !strings.Contains(out, "# jwt-secret = (given, not shown)\n") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
}

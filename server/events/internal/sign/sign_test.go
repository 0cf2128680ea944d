package sign

import (
	"strings"
	"testing"
	"time"
)

// The example of the Standard Webhooks specification.
func TestSpecificationVector(t *testing.T) {
	secret, err := ParseSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := Signature([]Secret{secret}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	two := Signature([]Secret{secret, Secret(strings.Repeat("k", 24))}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if first, second, ok := strings.Cut(two, " "); !ok || first != got || !strings.HasPrefix(second, "v1,") || second == first {
		t.Errorf("two secrets sign %s", two)
	}
	if got := Signature(nil, "msg", time.Unix(0, 0), nil); got != "" {
		t.Errorf("without a secret: %q", got)
	}
}

func TestParseSecretRefuses(t *testing.T) {
	for _, c := range []struct{ text, why string }{
		{"", "does not begin"},
		{"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "does not begin"},
		{"whsec_", "0 bytes"},
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "not whsec_ and base64"},
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa", "not whsec_ and base64"},
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La", "21 bytes"},
		{"whsec_" + strings.Repeat("QUFB", 22), "66 bytes"},
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS\n", "not whsec_ and base64"},
	} {
		_, err := ParseSecret(c.text)
		if err == nil || !strings.Contains(err.Error(), c.why) {
			t.Errorf("%q: %v, want %q", c.text, err, c.why)
		}
		if len(c.text) > 8 && err != nil && strings.Contains(err.Error(), strings.TrimPrefix(c.text, prefix)) {
			t.Errorf("%q is in its error", c.text)
		}
	}
}

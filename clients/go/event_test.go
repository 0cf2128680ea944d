package castgate

import (
	"net/http"
	"testing"
	"time"
)

// The example of the Standard Webhooks specification's reference libraries.
func TestVerifierReference(t *testing.T) {
	v, err := NewVerifier("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	v.Now = func() time.Time { return time.Unix(1614265330, 0) }
	h := http.Header{}
	h.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	h.Set("webhook-timestamp", "1614265330")
	h.Set("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")
	// It is no event, so it is the content that is refused, not the signature.
	if _, err := v.Verify(h, []byte(`{"test": 2432232314}`)); Code(err) != CodeMalformed {
		t.Errorf("error %v", err)
	}
	if _, err := v.Verify(h, []byte(`{"test": 2432232315}`)); Code(err) != CodeWebhookSignature {
		t.Errorf("another body: error %v", err)
	}
}

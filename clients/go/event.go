package castgate

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Tolerance is how far the clocks of gateway and backend may differ, and how late
// an event may come.
const Tolerance = 5 * time.Minute

// Verifier verifies the signatures of events, as Standard Webhooks define them. Any
// goroutine may use it.
type Verifier struct {
	keys [][]byte
	// Now is the clock, time.Now unless it is replaced for a test.
	Now func() time.Time
}

// NewVerifier takes the secrets of --events-secret, with or without whsec_. While
// they are rotated there are two.
func NewVerifier(secrets ...string) (*Verifier, error) {
	v := &Verifier{Now: time.Now}
	for _, secret := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(key) == 0 {
			return nil, &Error{Code: CodeWebhookSecret, Detail: "a secret is not in base64", Err: err}
		}
		v.keys = append(v.keys, key)
	}
	if len(v.keys) == 0 {
		return nil, &Error{Code: CodeWebhookSecret, Detail: "no secret is given"}
	}
	return v, nil
}

// Verify returns the events of a request, one or several. body must be what the
// gateway sent, byte for byte.
func (v *Verifier) Verify(header http.Header, body []byte) ([]Event, error) {
	id, stamp, signatures := header.Get("Webhook-Id"), header.Get("Webhook-Timestamp"), header.Get("Webhook-Signature")
	if id == "" || stamp == "" || signatures == "" {
		return nil, &Error{Code: CodeWebhookHeader, Detail: "webhook-id, webhook-timestamp or webhook-signature is missing"}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return nil, &Error{Code: CodeWebhookTimestamp, Detail: "webhook-timestamp is not a number", Err: err}
	}
	if now := v.Now().Unix(); seconds < now-int64(Tolerance/time.Second) || seconds > now+int64(Tolerance/time.Second) {
		return nil, &Error{Code: CodeWebhookTimestamp, Detail: "webhook-timestamp differs from the clock by more than 5 minutes"}
	}
	if !v.signed(id+"."+stamp+".", body, signatures) {
		return nil, &Error{Code: CodeWebhookSignature, Detail: "no signature fits"}
	}
	return parseEvents(body)
}

// signed compares every signature with every key, in constant time.
func (v *Verifier) signed(prefix string, body []byte, signatures string) bool {
	good := false
	for _, key := range v.keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(prefix))
		mac.Write(body)
		want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
		for _, signature := range strings.Fields(signatures) {
			good = hmac.Equal([]byte(signature), []byte(want)) || good
		}
	}
	return good
}

func parseEvents(body []byte) ([]Event, error) {
	var events []Event
	err := json.Unmarshal(body, &events)
	if err != nil {
		var one Event
		if err = json.Unmarshal(body, &one); err == nil {
			events = []Event{one}
		}
	}
	for _, e := range events {
		if e.ID == "" || e.Type == "" {
			err = fmt.Errorf("an event has no id or type")
		}
	}
	if err != nil {
		return nil, &Error{Code: CodeMalformed, Detail: "the body is not one event or a list of events", Err: err}
	}
	return events, nil
}

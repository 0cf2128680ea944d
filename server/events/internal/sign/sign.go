// Package sign signs requests as Standard Webhooks 1.0.0 says
// (https://github.com/standard-webhooks/standard-webhooks).
package sign

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The lengths that a secret may have in bytes.
const (
	MinSecret = 24
	MaxSecret = 64
)

const prefix = "whsec_"

// Secret is a key that the sender and the receiver share.
type Secret []byte

// ParseSecret reads whsec_ and base64 of 24 to 64 bytes. Errors never show it.
func ParseSecret(text string) (Secret, error) {
	encoded, ok := strings.CutPrefix(text, prefix)
	if !ok {
		return nil, errors.New("does not begin with whsec_")
	}
	key, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, errors.New("is not whsec_ and base64; make one with: echo whsec_$(openssl rand -base64 32)")
	}
	if len(key) < MinSecret || len(key) > MaxSecret {
		return nil, fmt.Errorf("has %d bytes, which is not between %d and %d", len(key), MinSecret, MaxSecret)
	}
	return key, nil
}

// The headers of a signed request.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

// Signature is the value of HeaderSignature: one for each secret, separated by
// blanks. "" without secrets.
func Signature(secrets []Secret, id string, at time.Time, body []byte) string {
	var all []string
	for _, s := range secrets {
		mac := hmac.New(sha256.New, s)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		all = append(all, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(all, " ")
}

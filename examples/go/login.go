package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

// loginCookie holds the name of the browser's user, signed so that only this
// process can have written it.
const loginCookie = "castgate_example"

// login is what the example stores about a user.
type login struct {
	UID   string `json:"uid"`
	Group string `json:"group"`
}

// logins signs and verifies login cookies. Its key lives as long as the process.
type logins struct{ key [32]byte }

func newLogins() *logins {
	l := &logins{}
	rand.Read(l.key[:]) // never fails: crypto/rand crashes the program instead
	return l
}

// set stores the login in the answer's cookie.
func (l *logins) set(w http.ResponseWriter, who login) error {
	data, err := json.Marshal(who)
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{
		Name:     loginCookie,
		Value:    base64.RawURLEncoding.EncodeToString(data) + "." + base64.RawURLEncoding.EncodeToString(l.sign(data)),
		Path:     "/",
		HttpOnly: true,
		SameSite: http.SameSiteStrictMode,
	})
	return nil
}

// get returns the login of a request. ok is false if there is none, or if this
// process did not sign it.
func (l *logins) get(r *http.Request) (who login, ok bool) {
	cookie, err := r.Cookie(loginCookie)
	if err != nil {
		return login{}, false
	}
	encoded, signature, _ := strings.Cut(cookie.Value, ".")
	data, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return login{}, false
	}
	mac, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || !hmac.Equal(mac, l.sign(data)) {
		return login{}, false
	}
	return who, json.Unmarshal(data, &who) == nil
}

func (l *logins) sign(data []byte) []byte {
	mac := hmac.New(sha256.New, l.key[:])
	mac.Write(data)
	return mac.Sum(nil)
}

package stress

import (
	"strings"
)

// innerAttacks are attacks on the ports that PHP uses, by strangers without the
// key.
var innerAttacks = []attack{
	{"inner: garbage", ofPort("inner", strings.Repeat("\x7f", 2000)), nil},
	{"inner: frames of length zero", ofPort("inner", strings.Repeat("\x00", 2000)), nil},
	{"inner: half a frame", ofPort("inner", string(phpFrame(phpClientConnect, "", strings.Repeat("x", 3000))[:2000])), nil},
	{"inner: the head of a huge frame", ofPort("inner", "\x00\x9f\xff\xff"+string(phpFrame(phpClientConnect, "", "")[4:])), nil},
	{"inner: silence", ofPort("inner", ""), nil},
	{"inner: wrong keys", ofPort("inner", string(phpFrame(phpClientConnect, "", `{"secret_key":"wrong"}`))), nil},
	{"inner: workers with a wrong key", ofPort("inner", string(phpFrame(phpWorkerConnect, "", `{"worker_key":"a:0","secret_key":"wrong"}`))), nil},
	{"inner: commands without a key", ofPort("inner", strings.Repeat(string(phpFrame(phpSendToUID, `["bystander-0"]`, "x")), 20)), nil},
	{"inner: deep JSON", ofPort("inner", string(phpFrame(phpClientConnect, "", strings.Repeat("[", 3900)))), nil},
	{"register: garbage", ofPort("register", strings.Repeat("\x7f", 2000)), nil},
	{"register: newlines", ofPort("register", strings.Repeat("\n", 2000)), nil},
	{"register: half a line", ofPort("register", `{"event":"worker_connect","secret_key":"`+strings.Repeat("x", 2000)), nil},
	{"register: silence", ofPort("register", ""), nil},
	{"register: wrong keys", ofPort("register", `{"event":"worker_connect","secret_key":"wrong"}`+"\n"), nil},
	{"register: pings", ofPort("register", strings.Repeat(`{"event":"ping"}`+"\n", 100)), nil},
	{"register: deep JSON", ofPort("register", strings.Repeat("[", 8000)+"\n"), nil},
}

// ofPort connects to one of PHP's ports repeatedly.
func ofPort(name, request string) attackRun {
	return again(func(s *site) string { return s.Listeners[name] }, request, func(*site, []byte) {})
}

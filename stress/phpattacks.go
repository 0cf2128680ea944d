package stress

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"castgate/internal/wstest"
)

// Commands of GatewayWorker's inner protocol that only attackers send.
const (
	phpUpdateSession = 9
	phpIsOnline      = 11
	phpJoinGroup     = 20
	phpLeaveGroup    = 21
	phpSelect        = 25
	phpSetSession    = 204
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

// phpAttacks come from PHP code that has the key and asks for a lot.
var phpAttacks = []attack{
	{"php: selects with many conditions", ofPHP(phpFrame(phpSelect, `{"fields":["session","uid","groups"],"where":{"groups":[`+numberedNames(5000)+`],"uid":[`+numberedNames(5000)+`]}}`, "")), nil},
	{"php: selects of deep JSON", ofPHP(phpFrame(phpSelect, `{"fields":["uid"],"where":`+strings.Repeat(`{"groups":`, 400)+`[]`+strings.Repeat("}", 400)+`}`, "")), nil},
	{"php: messages to very many uids", ofPHP(phpFrame(phpSendToUID, `[`+numberedNames(20_000)+`]`, "x")), nil},
	{"php: messages to the same uid", ofPHP(phpFrame(phpSendToUID, `[`+strings.Repeat(`"nobody",`, 20_000)+`"nobody"]`, "x")), nil},
	{"php: joins and leaves of many groups", joinsAndLeaves, nil},
	{"php: short updates of a session of one value", nil, updates(1)},
	{"php: short updates of a session of many values", nil, updates(70_000)},
	{longLeavers, nil, leaver},
}

func numberedNames(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = `"n` + strconv.Itoa(i) + `"`
	}
	return strings.Join(names, ",")
}

// phpTo is a frame about one client.
func phpTo(client uint32, command byte, ext string) []byte {
	b := phpFrame(command, ext, "")
	binary.BigEndian.PutUint32(b[17:], client)
	return b
}

// ofPHP sends the same command repeatedly on a connection that it keeps.
func ofPHP(unit []byte) attackRun {
	return func(t *Trial, s *site, _ int, over *atomic.Bool, rate int) {
		if c := s.php(t); c != nil {
			defer drop(c)
			s.skip(pushes)
			s.pace(c, unit, rate, over)
		}
	}
}

// php is a connection with the key. Whatever it receives is read and dropped.
func (s *site) php(t *Trial) net.Conn {
	c, err := dialAttacker(s.Listeners["inner"])
	if err == nil {
		_, err = c.Write(phpFrame(phpClientConnect, "", `{"secret_key":"`+phpSecret+`"}`))
	}
	t.Check(err == nil, "a caller of PHP: %v", err)
	if err != nil {
		return nil
	}
	go func() { _, _ = io.Copy(io.Discard, c) }()
	return c
}

// own connects a client of an attacker, and returns the number by which PHP knows
// it.
func (s *site) own(t *Trial) (net.Conn, uint32) {
	c, err := dialAttacker(s.Addr)
	t.Check(err == nil, "an attacker: %v", err)
	if err != nil {
		return nil, 0
	}
	_, _ = io.WriteString(c, wstest.Handshake)
	in := s.answered(c)
	head := make([]byte, 2)
	_, _ = io.ReadFull(in, head)
	body := make([]byte, head[1])
	_, _ = io.ReadFull(in, body)
	var init struct {
		ID string `json:"client_id"`
	}
	if err := json.Unmarshal(body, &init); err != nil || len(init.ID) != 20 {
		t.Check(false, "an attacker's init message %q", body)
		drop(c)
		return nil, 0
	}
	_ = c.SetReadDeadline(time.Time{})
	go func() { _, _ = io.Copy(io.Discard, in) }()
	return c, connectionOf(t, init.ID)
}

// joinsAndLeaves makes a client of its own join and leave mostGroups groups.
func joinsAndLeaves(t *Trial, s *site, _ int, over *atomic.Bool, rate int) {
	client, id := s.own(t)
	if client == nil {
		return
	}
	defer drop(client)
	if c := s.php(t); c != nil {
		defer drop(c)
		var unit []byte
		for _, command := range []byte{phpJoinGroup, phpLeaveGroup} {
			for i := range mostGroups {
				unit = append(unit, phpTo(id, command, strconv.Itoa(i))...)
			}
		}
		s.pace(c, unit, rate, over)
	}
}

// longSession is how many bytes of values the sessions have that attackers update.
const longSession = 7_000_000

// longSessionOf is a session of so many values.
func longSessionOf(values int) string {
	session := []byte("a:" + strconv.Itoa(values) + ":{")
	size := longSession / values
	for i := range values {
		session = append(session, "i:"+strconv.Itoa(i)+";s:"+strconv.Itoa(size)+":\""...)
		session = append(append(session, strings.Repeat("x", size)...), "\";"...)
	}
	return string(append(session, '}'))
}

// updates has a client of its own with a session of so many values, and changes a
// short one repeatedly.
func updates(values int) func(t *Trial, s *site) attackRun {
	session := longSessionOf(values)
	return func(t *Trial, s *site) attackRun {
		client, id := s.own(t)
		t.Must(client != nil, "an attacker's client")
		t.Cleanup(func() { drop(client) })
		c := s.obeyed(t, phpTo(id, phpUpdateSession, session))
		return func(_ *Trial, s *site, _ int, over *atomic.Bool, rate int) {
			s.pace(c, phpTo(id, phpUpdateSession, `a:1:{s:1:"n";i:1;}`), rate, over)
			drop(c)
			drop(s.obeyed(t, phpTo(id, phpSetSession, "a:0:{}"))) // or its end takes it to the worker
			drop(client)
		}
	}
}

// longLeavers is the name of the attack that sends the worker events of megabytes.
const longLeavers = "php: clients with long sessions that leave together"

// leaver has a client of its own with a long session, which then disconnects.
func leaver(t *Trial, s *site) attackRun {
	client, id := s.own(t)
	t.Must(client != nil, "an attacker's client")
	t.Cleanup(func() { drop(client) })
	drop(s.obeyed(t, phpTo(id, phpUpdateSession, longSessionOf(1))))
	return func(*Trial, *site, int, *atomic.Bool, int) { drop(client) }
}

// obeyed sends a command of PHP, and returns the connection once it is carried out.
func (s *site) obeyed(t *Trial, command []byte) net.Conn {
	c, err := dialAttacker(s.Listeners["inner"])
	if err == nil {
		_, err = c.Write(slices.Concat(phpFrame(phpClientConnect, "", `{"secret_key":"`+phpSecret+`"}`), command, phpTo(0, phpIsOnline, "")))
	}
	if err == nil {
		_ = c.SetReadDeadline(time.Now().Add(wstest.Patience))
		_, err = io.ReadFull(c, make([]byte, len("\x00\x00\x00\x04i:0;")))
	}
	t.Must(err == nil, "a command of PHP: %v", err)
	return c
}

package stress

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"castgate/internal/wstest"
)

// Commands of GatewayWorker's inner protocol that only attackers send.
const (
	phpJoinGroup  = 20
	phpLeaveGroup = 21
	phpSelect     = 25
)

// phpAttacks come from PHP code that has the key and asks for a lot.
var phpAttacks = []attack{
	{"php: selects with many conditions", ofPHP(phpFrame(phpSelect, `{"fields":["session","uid","groups"],"where":{"groups":[`+numberedNames(5000)+`],"uid":[`+numberedNames(5000)+`]}}`, ""))},
	{"php: selects of deep JSON", ofPHP(phpFrame(phpSelect, `{"fields":["uid"],"where":`+strings.Repeat(`{"groups":`, 400)+`[]`+strings.Repeat("}", 400)+`}`, ""))},
	{"php: messages to very many uids", ofPHP(phpFrame(phpSendToUID, `[`+numberedNames(20_000)+`]`, "x"))},
	{"php: messages to the same uid", ofPHP(phpFrame(phpSendToUID, `[`+strings.Repeat(`"nobody",`, 20_000)+`"nobody"]`, "x"))},
	{"php: joins and leaves of many groups", joinsAndLeaves},
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

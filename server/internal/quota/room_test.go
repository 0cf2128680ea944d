package quota

import "testing"

// crowd is networks that share a room.
type crowd struct {
	Room
	held map[string]int
}

func (c *crowd) take(network string, bytes int) bool {
	if c.Left(c.held[network]) < bytes {
		return false
	}
	c.put(network, bytes)
	return true
}

func (c *crowd) put(network string, bytes int) {
	before := c.held[network]
	c.held[network] += bytes
	c.Weigh(before, before+bytes)
}

func (c *crowd) fill(network string, piece int) {
	for c.take(network, piece) {
	}
}

// However much some networks ask for, there is room for another, and for more than
// its first bytes.
func TestRoomIsLeft(t *testing.T) {
	const room, piece = 1 << 20, 256
	for loud, least := range map[int]int{0: room / 2, 1: room / 10, 2: room / 40, 5: room / 1024, 20: room / 1024} {
		c := crowd{NewRoom(room), map[string]int{}}
		for range 3 {
			for i := range loud {
				c.fill(string(rune('a'+i)), piece)
			}
		}
		quiet := 0
		for c.take("quiet", piece) {
			quiet += piece
		}
		if quiet < least {
			t.Errorf("beside %d loud networks another gets %d bytes, want %d", loud, quiet, least)
		}
		if c.Held() > room {
			t.Errorf("%d bytes are held of %d", c.Held(), room)
		}
	}
}

// What a network was given beyond the room takes nothing from the reserve.
func TestRoomOverdrawn(t *testing.T) {
	const room = 1 << 20
	c := crowd{NewRoom(room), map[string]int{}}
	c.put("loud", 3*room)
	if c.take("loud", 1) {
		t.Error("the loud network may have more")
	}
	quiet := 0
	for ; c.take(string(rune(0x4e00+quiet)), room/1024); quiet++ {
	}
	if quiet != 127 { // the loud one has its part of the reserve, too
		t.Errorf("the reserve is enough for %d networks, want 127", quiet)
	}
	c.put("loud", -3*room)
	if !c.take("loud", room/2) {
		t.Error("no room after all was given back")
	}
	for network, bytes := range c.held {
		c.put(network, -bytes)
	}
	if c.Room != NewRoom(room) {
		t.Errorf("in the end %+v", c.Room)
	}
}

// Many networks with few bytes each get no more than the room, and then nobody does.
func TestRoomOfMany(t *testing.T) {
	const room = 1 << 20
	c := crowd{NewRoom(room), map[string]int{}}
	networks := 0
	for ; c.take(string(rune(0x4e00+networks)), room/1024); networks++ {
	}
	if networks != 1024 || c.Held() != room {
		t.Errorf("%d networks hold %d bytes", networks, c.Held())
	}
	if c.Eased(0) {
		t.Error("there is room for one more")
	}
}

// A network that was refused asks again when it has half of what it may hold, and
// at the latest when it holds nothing.
func TestRoomEases(t *testing.T) {
	const room, piece = 1 << 20, 1024
	c := crowd{NewRoom(room), map[string]int{}}
	c.fill("loud", piece)
	most, given := c.held["loud"], 0
	for ; !c.Eased(c.held["loud"]); given += piece {
		c.put("loud", -piece)
	}
	if given < most/4 || given > most*3/4 {
		t.Errorf("asks again when %d of %d bytes are given back", given, most)
	}
	c.put("other", 2*room)
	if c.put("loud", -c.held["loud"]); !c.Eased(0) {
		t.Error("does not ask again although it holds nothing")
	}
}

package message

import (
	"encoding/json"
	"math"
	"time"

	"castgate/server/gateway"
)

// Verb says what a request asks for: a method of gateway.Gateway, or something
// that only the nodes ask of each other.
type Verb uint8

// The verbs.
const (
	VerbPush Verb = iota + 1
	VerbBind
	VerbUnbind
	VerbUnbindUIDs
	VerbJoin
	VerbLeave
	VerbUngroup
	VerbKick
	VerbOnline
	VerbCounts
	VerbStats
	VerbClient
	VerbClients
	VerbUIDs
	VerbGroups
	VerbPutSession
	VerbPatchSession
	VerbReplace // of exclusive binds: close what is older than Claims
	VerbLook    // whether uids are online; Payload says more of each
	VerbExplain
	verbEnd
)

var verbNames = [verbEnd]string{
	VerbPush: "push", VerbBind: "bind", VerbUnbind: "unbind", VerbUnbindUIDs: "unbind_uids", VerbJoin: "join",
	VerbLeave: "leave", VerbUngroup: "ungroup", VerbKick: "kick", VerbOnline: "online", VerbCounts: "counts",
	VerbStats: "stats", VerbClient: "client", VerbClients: "clients", VerbUIDs: "uids", VerbGroups: "groups",
	VerbPutSession: "put_session", VerbPatchSession: "patch_session", VerbReplace: "replace",
	VerbLook: "look", VerbExplain: "explain",
}

// String is the name of a verb.
func (v Verb) String() string {
	if v > 0 && v < verbEnd {
		return verbNames[v]
	}
	return "unknown"
}

// Stamp orders exclusive binds: a reading of the hybrid clock, and who made it.
type Stamp struct {
	HLC uint64
	By  Member
}

// After tells whether s is the later of the two.
func (s Stamp) After(o Stamp) bool {
	return s.HLC > o.HLC || s.HLC == o.HLC && s.By.Compare(o.By) > 0
}

// Claim is an exclusive bind: the uid belongs to one client since Stamp.
type Claim struct {
	UID   string
	Stamp Stamp
}

// Request is one request to a node. What a verb has no use for is empty.
type Request struct {
	Seq    uint64 // of the sender, never used again
	GiveUp int64  // when the sender will have stopped waiting, by its clock
	HLC    uint64
	// Chain and Epoch are those of the sender's view. Who has joined later was not
	// asked, even if the message comes to it.
	Chain, Epoch uint64
	// Asked are those who are asked, if the message goes to everybody.
	Asked []Member
	Verb  Verb

	To                            gateway.Targets
	ExcludeClientIDs, ExcludeUIDs []string
	ClientID, UID                 string
	KickOld                       bool
	Code                          uint16
	Reason, Text                  string
	Payload                       []byte // of a push; the object of a session
	Binary, Wait                  bool
	Budget                        int64 // how long Wait may take, in nanoseconds
	List                          gateway.List
	Claims                        []Claim
}

// Append appends the body.
func (q *Request) Append(dst []byte) []byte {
	w := Writer{dst}
	w.Uint(q.Seq)
	w.Int(q.GiveUp)
	w.Uint(q.HLC)
	w.Uint(q.Chain)
	w.Uint(q.Epoch)
	w.Members(q.Asked)
	w.Uint(uint64(q.Verb))
	w.Strings(q.To.ClientIDs)
	w.Strings(q.To.UIDs)
	w.Strings(q.To.Groups)
	w.Bool(q.To.All)
	w.Strings(q.ExcludeClientIDs)
	w.Strings(q.ExcludeUIDs)
	w.String(q.ClientID)
	w.String(q.UID)
	w.Bool(q.KickOld)
	w.Uint(uint64(q.Code))
	w.String(q.Reason)
	w.String(q.Text)
	w.Bytes(q.Payload)
	w.Bool(q.Binary)
	w.Bool(q.Wait)
	w.Int(q.Budget)
	w.String(q.List.UID)
	w.String(q.List.Group)
	w.Uint(uint64(q.List.Limit))
	w.String(q.List.Cursor)
	w.Uint(uint64(len(q.Claims)))
	for _, c := range q.Claims {
		w.String(c.UID)
		w.stamp(c.Stamp)
	}
	return w.B
}

func (w *Writer) stamp(s Stamp) {
	w.Uint(s.HLC)
	w.Member(s.By)
}

func (r *Reader) stamp() Stamp { return Stamp{HLC: r.Uint(), By: r.Member()} }

// DecodeRequest reads the body of a request. Payload is a part of body.
func DecodeRequest(body []byte) (q Request, err error) {
	r := Read(body)
	q.Seq, q.GiveUp, q.HLC = r.Uint(), r.Int(), r.Uint()
	q.Chain, q.Epoch, q.Asked = r.Uint(), r.Uint(), r.Members()
	if v := r.Uint(); v < uint64(verbEnd) {
		q.Verb = Verb(v)
	}
	q.To = gateway.Targets{ClientIDs: r.Strings(), UIDs: r.Strings(), Groups: r.Strings(), All: r.Bool()}
	q.ExcludeClientIDs, q.ExcludeUIDs = r.Strings(), r.Strings()
	q.ClientID, q.UID, q.KickOld = r.String(), r.String(), r.Bool()
	code := r.Uint()
	if code > math.MaxUint16 {
		r.fail()
	}
	q.Code = uint16(code)
	q.Reason, q.Text, q.Payload = r.String(), r.String(), r.Bytes()
	q.Binary, q.Wait, q.Budget = r.Bool(), r.Bool(), r.Int()
	q.List = gateway.List{UID: r.String(), Group: r.String(), Limit: r.Count(), Cursor: r.String()}
	for range r.list(4) {
		q.Claims = append(q.Claims, Claim{UID: r.String(), Stamp: r.stamp()})
	}
	return q, r.Done()
}

// Reply answers a request. What a verb does not answer is empty.
type Reply struct {
	Seq uint64 // of the request
	HLC uint64
	// First says that another reply will follow, at the end of a wait.
	First bool
	// Code and Detail are those of a gateway.Error; Code is "" for none.
	Code, Detail string

	Numbers []int64
	Names   []string
	Missing []uint16 // nodes that the receiver itself has asked in vain
	Next    string   // of a listing
	Clients []gateway.ClientInfo
	Counts  []gateway.NameCount
	Data    []byte
	Newer   []Claim // of claims: those that have to give way, with the later stamp
}

// Append appends the body.
func (p *Reply) Append(dst []byte) []byte {
	w := Writer{dst}
	w.Uint(p.Seq)
	w.Uint(p.HLC)
	w.Bool(p.First)
	w.String(p.Code)
	w.String(p.Detail)
	w.Uint(uint64(len(p.Numbers)))
	for _, n := range p.Numbers {
		w.Int(n)
	}
	w.Strings(p.Names)
	w.Uint(uint64(len(p.Missing)))
	for _, n := range p.Missing {
		w.Uint(uint64(n))
	}
	w.String(p.Next)
	w.Uint(uint64(len(p.Clients)))
	for i := range p.Clients {
		w.client(&p.Clients[i])
	}
	w.Uint(uint64(len(p.Counts)))
	for _, c := range p.Counts {
		w.String(c.Name)
		w.Int(int64(c.Clients))
	}
	w.Bytes(p.Data)
	w.Uint(uint64(len(p.Newer)))
	for _, c := range p.Newer {
		w.String(c.UID)
		w.stamp(c.Stamp)
	}
	return w.B
}

func (w *Writer) client(c *gateway.ClientInfo) {
	w.String(c.ClientID)
	w.String(c.UID)
	w.Strings(c.Groups)
	w.Bool(c.Session != nil)
	w.Bytes(c.Session)
	w.String(c.RemoteAddr)
	w.Int(c.ConnectedAt.UnixMilli())
	w.Int(int64(c.QueuedBytes))
	w.Int(int64(c.QueuedFrames))
}

func (r *Reader) client() gateway.ClientInfo {
	c := gateway.ClientInfo{ClientID: r.String(), UID: r.String(), Groups: r.Strings()}
	has, session := r.Bool(), r.String()
	if has {
		c.Session = json.RawMessage(session)
	}
	c.RemoteAddr, c.ConnectedAt = r.String(), time.UnixMilli(r.Int())
	c.QueuedBytes, c.QueuedFrames = int(r.Int()), int(r.Int())
	return c
}

// DecodeReply reads the body of a reply.
func DecodeReply(body []byte) (p Reply, err error) {
	r := Read(body)
	p = Reply{Seq: r.Uint(), HLC: r.Uint(), First: r.Bool(), Code: r.String(), Detail: r.String()}
	for range r.list(1) {
		p.Numbers = append(p.Numbers, r.Int())
	}
	p.Names = r.Strings()
	for range r.list(1) {
		n := r.Uint()
		if n > math.MaxUint16 {
			r.fail()
		}
		p.Missing = append(p.Missing, uint16(n))
	}
	p.Next = r.String()
	for range r.list(9) {
		p.Clients = append(p.Clients, r.client())
	}
	for range r.list(2) {
		p.Counts = append(p.Counts, gateway.NameCount{Name: r.String(), Clients: int(r.Int())})
	}
	p.Data = []byte(r.String())
	for range r.list(4) {
		p.Newer = append(p.Newer, Claim{UID: r.String(), Stamp: r.stamp()})
	}
	return p, r.Done()
}

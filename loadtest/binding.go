package loadtest

import "strconv"

// Binding is one client's bind command.
type Binding struct {
	ClientID string   `json:"client_id"`
	UID      string   `json:"uid"`
	Groups   []string `json:"groups,omitempty"`
}

// UID is the uid of the connection with this number (Config.First counts).
func UID(number int) string { return "loadtest-" + strconv.Itoa(number) }

// GroupName is the name of the group with this number.
func GroupName(number int) string { return "loadtest-" + strconv.Itoa(number) }

// Bindings gives every connection of s a uid of its own and, unless groups is
// 0, one of that many groups, which is that of streams of kind Group if
// Config.Groups has the same value. Nil once the swarm is closed.
func (s *Swarm) Bindings(groups int) []Binding {
	ids := s.ClientIDs()
	all := make([]Binding, len(ids))
	for i, id := range ids {
		all[i] = s.BindingOf(i, id, groups)
	}
	return all
}

// BindingOf is the binding of one connection by its client id, see Bindings.
func (s *Swarm) BindingOf(connection int, clientID string, groups int) Binding {
	return bindingOf(s.cfg.First+connection, clientID, groups)
}

// bound tells the streams that the server has bound these arrivals, whose
// connections are numbered from 0.
func (s *Swarm) bound(list []arrival) {
	for n, l := range s.loops {
		l.do(func() { // a closed swarm expects nothing
			for _, a := range list {
				if a.connection%len(s.loops) == n {
					l.beginBound(a.connection/len(s.loops), a.clientID)
				}
			}
		})
	}
}

// bindingOf is the binding of the connection with this number.
func bindingOf(number int, clientID string, groups int) Binding {
	b := Binding{ClientID: clientID, UID: UID(number)}
	if groups > 0 {
		b.Groups = []string{GroupName(number % groups)}
	}
	return b
}

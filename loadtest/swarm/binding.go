package swarm

import (
	"castgate/loadtest/control"
)

// Arrival is a connection that has opened.
type Arrival struct {
	Connection int
	ClientID   string
}

// Bindings gives every connection of s a uid of its own and, unless groups is
// 0, one of that many groups, which is that of streams of kind Group if
// Config.Groups has the same value. Nil once the swarm is closed.
func (s *Swarm) Bindings(groups int) []control.Binding {
	ids := s.ClientIDs()
	all := make([]control.Binding, len(ids))
	for i, id := range ids {
		all[i] = s.BindingOf(i, id, groups)
	}
	return all
}

// BindingOf is the binding of one connection by its client id, see Bindings.
func (s *Swarm) BindingOf(connection int, clientID string, groups int) control.Binding {
	return control.BindingOf(s.cfg.First+connection, clientID, groups)
}

// Bound tells the streams that the server has bound these arrivals, whose
// connections are numbered from 0.
func (s *Swarm) Bound(list []Arrival) {
	for n, l := range s.loops {
		l.mail.do(func() { // a closed swarm expects nothing
			for _, a := range list {
				if a.Connection%len(s.loops) == n {
					l.beginBound(a.Connection/len(s.loops), a.ClientID)
				}
			}
		})
	}
}

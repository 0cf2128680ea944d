package server

import (
	"castgate/server/admission"
	"castgate/server/token"
)

// newAdmission makes what decides about clients.
func (s *Server) newAdmission(c *Config) (err error) {
	s.admission, err = admission.New(admission.Config{
		MaxMessage: c.MaxMessage, ProxyProtocol: c.ProxyProtocol, MaxRefusing: s.limits.Refusing,
		Checkers: max(1, c.Loops/2), Now: s.sys.Now, Elapsed: s.now, Usable: s.usable, Log: s.log,
		Defect: func(p any, stack []byte) {
			s.loops.Defect("checking a token", p, stack)
		},
	}, c.Policy)
	return err
}

// usable says why a good token makes nobody a client: its sub or one of its groups is
// not a name. Nil if it does.
func (s *Server) usable(id *token.Identity) *token.Refusal {
	switch {
	case id.UID != "" && s.names.Check("uid", id.UID) != nil:
		return &token.Refusal{Reason: token.Claim, Claim: "sub"}
	case s.names.CheckAll("group", id.Groups) != nil:
		return &token.Refusal{Reason: token.Claim, Claim: "groups"}
	}
	return nil
}

// SetPolicy replaces the policy for everything that is decided from now on. It returns
// when connections that exist already are counted for limits by address, or recountWait
// later if a loop is held up. An error names the setting that is wrong, and the old
// policy stays. What p's slices and pointers lead to must not change afterwards. Any
// goroutine.
func (s *Server) SetPolicy(p admission.Policy) error {
	rules, err := s.admission.Set(p)
	if err != nil {
		return err
	}
	s.loops.Recount(rules)
	return nil
}

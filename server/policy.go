package server

import "fmt"

// Policy says who may connect and how much each may do. It is the part of
// Config that Server.SetPolicy can change while the server runs; nothing in it
// is looked at again for clients that are already connected unless a field
// says so.
type Policy struct {
	// AllowedOrigins are browser origins, exact or *.example.com with or
	// without a scheme. Empty allows any. Requests without an Origin header
	// do not come from a browser's page and pass.
	AllowedOrigins []string
}

// policy is a Policy made ready for use: immutable, shared by all loops
// through Server.policy, which they load once for each thing they decide.
type policy struct {
	Policy
	origins origins
}

// Validate reports the first field that is out of its range, by its name on
// the command line.
func (p *Policy) Validate() error {
	for _, o := range p.AllowedOrigins {
		if !validOrigin(o) {
			return fmt.Errorf("allowed-origins: %q is neither an origin nor *.domain", o)
		}
	}
	return nil
}

// newPolicy makes a valid Policy ready.
func newPolicy(p Policy) *policy {
	return &policy{Policy: p, origins: newOrigins(p.AllowedOrigins)}
}

// SetPolicy replaces the policy for all that is decided from now on. An error
// names the field that is wrong, and the old policy stays. What p's slices and
// pointers lead to must not be changed afterwards. Any goroutine.
func (s *Server) SetPolicy(p Policy) error {
	if err := p.Validate(); err != nil {
		return err
	}
	s.policy.Store(newPolicy(p))
	return nil
}

// allowOrigin is the Upgrader's CheckOrigin.
func (s *Server) allowOrigin(origin []byte) bool { return s.policy.Load().origins.allow(origin) }

package server

import (
	"castgate/server/frames"
	"castgate/server/internal/table"
)

// maxLooks is how many receivers of a push are looked at for their form.
const maxLooks = 64

// forms are those that a push of so many bytes is to be made in. receivers are
// those it is for, if they are few and known; else any client there is may be one.
func (s *Loops) forms(size int, receivers []table.Handle) frames.Set {
	if !s.encoder.Compresses(size) {
		return s.encoder.Plain
	}
	return s.encoder.Plain | s.registry.deflated(receivers)
}

// deflated are the deflated forms that some receivers have.
func (r *registry) deflated(receivers []table.Handle) (set frames.Set) {
	for _, m := range frames.DeflatedForms {
		if r.byForm[m].Load() > 0 {
			set |= 1 << m
		}
	}
	if set == 0 || len(receivers) == 0 || len(receivers) > maxLooks {
		return set
	}
	var met frames.Set
	for _, h := range receivers {
		r.lookup(h, func(c *client) { met |= 1 << c.form })
	}
	return set & met
}

package bench

import (
	"slices"
	"time"

	"castgate/bench/median"
	"castgate/loadtest/latency"
)

// Figure is one quantity of one server, or a ratio of two, over all rounds.
type Figure struct {
	Scenario string  `json:"scenario"`
	Name     string  `json:"name"`
	Server   string  `json:"server"`
	Unit     string  `json:"unit"`
	Median   float64 `json:"median"`
	Min      float64 `json:"min"`
	Max      float64 `json:"max"`
	// Rounds are the values of the rounds that counted, in order.
	Rounds []float64 `json:"rounds"`
}

// sample is one value of one round.
type sample struct {
	scenario, name, server, unit string
	value                        float64
	rated                        bool // its ratio to the baseline is a figure too
}

// samples are those of one round.
type samples []sample

func (s *samples) add(scenario, name, server, unit string, value float64) {
	*s = append(*s, sample{scenario, name, server, unit, value, false})
}

// rate adds a value whose ratio to that of the floor (or of the server that
// does nothing) is also a figure.
func (s *samples) rate(scenario, name, server, unit string, value float64) {
	*s = append(*s, sample{scenario, name, server, unit, value, true})
}

// addLatency adds the main quantiles of a latency, if there was any.
func (s *samples) addLatency(scenario, what, server string, l latency.Summary) {
	if l.Count == 0 {
		return
	}
	for _, q := range []struct {
		name string
		ns   time.Duration
	}{{"p50", l.P50}, {"p99", l.P99}, {"p99.9", l.P999}, {"max", l.Max}} {
		s.add(scenario, what+" "+q.name, server, "ns", float64(q.ns))
	}
}

// foreignCPU is the figure by which disturbed rounds are recognized.
const foreignCPU = "foreign CPU"

// addLoads adds who used the processor.
func (s *samples) addLoads(scenario, server string, m measured) {
	s.add(scenario, "server load", server, "cores", m.serverLoad)
	s.add(scenario, "swarm load", server, "cores", m.swarmLoad)
	s.add(scenario, foreignCPU, server, "of the machine", m.foreign)
}

// value is a server's value in a scenario, 0 if there is none.
func (s *samples) value(scenario, name, server string) float64 {
	for _, v := range *s {
		if v.scenario == scenario && v.name == name && v.server == server {
			return v.value
		}
	}
	return 0
}

// addQuotient adds, under the name of a ratio, a server's value in a scenario
// divided by the value of the same name in another scenario.
func (s *samples) addQuotient(scenario, name, server, by, ratio string) {
	if base := s.value(by, name, server); base > 0 {
		s.add(scenario, name, server+", "+ratio, "×", s.value(scenario, name, server)/base)
	}
}

// addAgainst adds the ratio of a server's value to that of another server.
func (s *samples) addAgainst(scenario, name, server, base string) {
	if by := s.value(scenario, name, base); by > 0 {
		s.add(scenario, name, server+" / "+base, "×", s.value(scenario, name, server)/by)
	}
}

// addRatios adds, for every rated value, its ratio to that of the floor in the
// same round, or of the server that does nothing, if that was measured.
func (s *samples) addRatios() {
	for _, v := range slices.Clone(*s) {
		for _, base := range []string{Floor, Noop} {
			i := slices.IndexFunc(*s, func(o sample) bool {
				return o.server == base && o.scenario == v.scenario && o.name == v.name
			})
			if v.rated && v.server != base && i >= 0 && (*s)[i].value > 0 {
				s.add(v.scenario, v.name, v.server+" / "+base, "×", v.value/(*s)[i].value)
			}
		}
	}
}

// collect adds a round's samples to their figures.
func collect(figures []Figure, round samples) []Figure {
	for _, s := range round {
		i := slices.IndexFunc(figures, func(f Figure) bool {
			return f.Scenario == s.scenario && f.Name == s.name && f.Server == s.server
		})
		if i < 0 {
			i = len(figures)
			figures = append(figures, Figure{Scenario: s.scenario, Name: s.name, Server: s.server, Unit: s.unit})
		}
		f := &figures[i]
		f.Rounds = append(f.Rounds, s.value)
		f.Median, f.Min, f.Max = median.Of(f.Rounds), slices.Min(f.Rounds), slices.Max(f.Rounds)
	}
	return figures
}

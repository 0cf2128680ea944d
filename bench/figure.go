package bench

import "slices"

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
}

// samples are those of one round.
type samples []sample

func (s *samples) add(scenario, name, server, unit string, value float64) {
	*s = append(*s, sample{scenario, name, server, unit, value})
}

// addRatio adds, for every quantity of that name and unit in nanoseconds,
// castgate's value by the floor's of the same round, if both were measured.
func (s *samples) addRatio(scenario, name string) {
	var ours, floor float64
	for _, v := range *s {
		if v.scenario == scenario && v.name == name {
			switch v.server {
			case Castgate:
				ours = v.value
			case Floor:
				floor = v.value
			}
		}
	}
	if ours > 0 && floor > 0 {
		s.add(scenario, name, "castgate / floor", "×", ours/floor)
	}
}

// collect adds a round's samples to the figures they belong to.
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
		f.Median, f.Min, f.Max = median(f.Rounds), slices.Min(f.Rounds), slices.Max(f.Rounds)
	}
	return figures
}

// median of values, of which there is at least one.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

package soak

import (
	"math"
	"math/rand/v2"
	"testing"
)

// synthetic returns 1,200 seconds and values that are a function of them.
func synthetic(f func(t float64, r *rand.Rand) float64) (t, v []float64) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 1200 {
		t = append(t, float64(i))
		v = append(v, f(float64(i), r))
	}
	return t, v
}

func TestVerdicts(t *testing.T) {
	const mib = 1 << 20
	wander := 0.0 // a walk that comes back, with a memory of 30 s
	for name, c := range map[string]struct {
		f         func(t float64, r *rand.Rand) float64
		tolerance float64
		want      Verdict
	}{
		"constant":                     {func(float64, *rand.Rand) float64 { return 15 }, 12, Flat},
		"flat, noisy":                  {func(_ float64, r *rand.Rand) float64 { return 40*mib + mib*r.NormFloat64() }, 2 * mib, Flat},
		"a heap's saw":                 {func(t float64, r *rand.Rand) float64 { return 8*mib + mib*math.Mod(t, 7.3) + 1e4*r.Float64() }, 2 * mib, Flat},
		"falls":                        {func(t float64, r *rand.Rand) float64 { return 40*mib - 1e4*t + mib*r.Float64() }, 2 * mib, Flat},
		"leak in noise":                {func(t float64, r *rand.Rand) float64 { return 40*mib + 5000*t + mib*r.NormFloat64() }, 2 * mib, Rises},
		"leak in a saw":                {func(t float64, _ *rand.Rand) float64 { return 8*mib + 3000*t + mib*math.Mod(t, 7.3) }, 2 * mib, Rises},
		"a goroutine every minute":     {func(t float64, _ *rand.Rand) float64 { return 15 + math.Floor(t/60) }, 12, Rises},
		"a leak within tolerance":      {func(t float64, _ *rand.Rand) float64 { return 40*mib + 400*t }, 2 * mib, Flat},
		"one thread more in the midst": {func(t float64, _ *rand.Rand) float64 { return 11 + math.Floor(t/600) }, 12, Flat},
		"a leak that bends":            {func(t float64, _ *rand.Rand) float64 { return 40*mib + 4*t*t }, 2 * mib, Rises},
		"one step of 4 MiB":            {func(t float64, r *rand.Rand) float64 { return 40*mib + 4*mib*math.Floor(t/600) + 1e5*r.NormFloat64() }, 2 * mib, Unclear},
		"wandering": {func(_ float64, r *rand.Rand) float64 {
			wander += -wander/30 + r.NormFloat64()*mib/8
			return 40*mib + wander
		}, 2 * mib, Flat},
	} {
		t.Run(name, func(t *testing.T) {
			at, v := synthetic(c.f)
			if r := trendOf(at, v, c.tolerance); r.Verdict != c.want || r.Low > r.Slope || r.High < r.Slope {
				t.Errorf("%+v, want %s", r, c.want)
			}
		})
	}
}

// A step during the warm-up does not belong to the trend; the same step later
// does.
func TestWarmupIsLeftOut(t *testing.T) {
	samples := func(step float64) (all []Sample) {
		at, v := synthetic(func(t float64, r *rand.Rand) float64 {
			return 20e6 + 15e6*math.Min(t/step, 1) + 1e5*r.NormFloat64()
		})
		for i := range at {
			all = append(all, Sample{At: at[i], PSS: int64(v[i]), Files: 2000})
		}
		return all
	}
	if r := trends(samples(200), 240)[0]; r.Name != "PSS" || r.Verdict != Flat || r.Min < 34e6 {
		t.Errorf("%+v", r)
	}
	if r := trends(samples(1200), 240)[0]; r.Verdict != Rises {
		t.Errorf("%+v", r)
	}
}

// For independent noise the interval must contain the true slope 99 times in
// 100, for correlated noise not much less often.
func TestCoverage(t *testing.T) {
	for name, c := range map[string]struct{ memory, least float64 }{"independent": {0, 0.98}, "a memory of 20 s": {0.95, 0.95}} {
		r := rand.New(rand.NewPCG(3, 4))
		const runs = 2000
		hits := 0
		for range runs {
			at, v, e := make([]float64, 960), make([]float64, 960), 0.0
			for i := range at {
				e = c.memory*e + r.NormFloat64()
				at[i], v[i] = float64(i), e+float64(i)/hour
			}
			if got := trendOf(at, v, 0); got.Low <= 1 && got.High >= 1 {
				hits++
			}
		}
		if share := float64(hits) / runs; share < c.least {
			t.Errorf("%s: the interval has the slope in it %.3f of the time", name, share)
		}
	}
}

// One more thread within a minute is not 60 per hour.
func TestShortTime(t *testing.T) {
	at, v := make([]float64, 60), make([]float64, 60)
	for i := range at {
		at[i], v[i] = float64(i), float64(11+i/30)
	}
	if r := trendOf(at, v, 12); r.Verdict != Flat || r.Slope < 12 {
		t.Errorf("%+v", r)
	}
	for i := range at {
		v[i] = float64(11 + i/6)
	}
	if r := trendOf(at, v, 12); r.Verdict != Rises {
		t.Errorf("%+v", r)
	}
}

func TestTooFewSamples(t *testing.T) {
	for n := range 15 {
		at := make([]float64, n)
		for i := range at {
			at[i] = float64(i)
		}
		if r := trendOf(at, at, 1); r.Verdict != Unclear {
			t.Errorf("%d samples: %+v", n, r)
		}
	}
}

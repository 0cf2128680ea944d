package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"castgate/bench/profile"
)

// Profile is where a server's CPU time went in one phase.
type Profile struct {
	Scenario string `json:"scenario"`
	Server   string `json:"server"`
	profile.Profile
}

// profile plays a scenario once more on castgate while perf records it. Its figures do
// not count: recording costs time too.
func (b *bench) profile(ctx context.Context, sc *scenario) error {
	if _, err := exec.LookPath("perf"); err != nil {
		b.skip("profiles: %v; as root, apt-get install linux-perf", err)
		return nil
	}
	for _, play := range sc.plays(Castgate) {
		if err := b.profilePlay(ctx, play); err != nil {
			return fmt.Errorf("profile of %s: %w", sc.name, err)
		}
	}
	return nil
}

func (b *bench) profilePlay(ctx context.Context, play play) error {
	dir, err := os.MkdirTemp(b.dir, "profile")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p, round := &profile.Recorder{Dir: dir}, samples{}
	name := Castgate
	if play.as != "" {
		name = play.as
	}
	err = b.on(ctx, name, func(s *server) error {
		s.profiler = p
		return play.measure(b, ctx, s, &round)
	})
	if err = errors.Join(err, p.End()); err != nil {
		return err
	}
	for _, r := range p.Recordings {
		found, err := r.Read(ctx)
		if err != nil {
			b.skip("profile of %s: %v", r.Phase, err)
			continue
		}
		b.result.Profiles = append(b.result.Profiles, Profile{r.Phase, name, *found})
		b.log("%s: %d samples", r.Phase, found.Samples)
	}
	return nil
}

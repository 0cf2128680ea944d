package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"castgate/bench"
	"castgate/internal/chart"
)

// chartsCommand is `bench charts`.
type chartsCommand struct {
	Results []string `help:"Result files; a figure that is in several is taken from the last." required:"" placeholder:"FILE"`
	Out     string   `help:"Directory for the charts." default:"bench/charts"`
}

// Run draws the charts and prints the Markdown that shows them.
func (f *chartsCommand) Run(c *console) error {
	all, err := readFigures(f.Results)
	if err != nil {
		return err
	}
	return all.draw(f.Out, c.stdout)
}

// figures are those of one or more results.
type figures struct {
	list                    []bench.Figure
	faults                  []bench.Fault
	profiles                []bench.Profile
	clients, idle, size     int
	roundsLeast, roundsMost int // of the figures being drawn
}

// maxResult limits the file of a result, in bytes.
const maxResult = 64 << 20

// readFigures reads results; a figure that is in several files is taken from
// the last.
func readFigures(paths []string) (*figures, error) {
	all := &figures{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err == nil && info.Size() > maxResult {
			err = fmt.Errorf("%s: more than %d bytes", path, maxResult)
		}
		if err != nil {
			return nil, err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		// Only what charts need, so that results of older versions can be read.
		var r struct {
			Options struct {
				Clients     int `json:"clients"`
				IdleClients int `json:"idle_clients"`
				Size        int `json:"size"`
			} `json:"options"`
			Faults   []bench.Fault   `json:"faults"`
			Figures  []bench.Figure  `json:"figures"`
			Profiles []bench.Profile `json:"profiles"`
		}
		if err := json.Unmarshal(b, &r); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if len(r.Figures) == 0 && len(r.Profiles) == 0 {
			return nil, fmt.Errorf("%s contains no figures", path)
		}
		all.clients, all.idle, all.size = r.Options.Clients, r.Options.IdleClients, r.Options.Size
		all.faults = append(all.faults, r.Faults...)
		for _, p := range r.Profiles {
			all.profiles = slices.DeleteFunc(all.profiles, func(old bench.Profile) bool {
				return old.Scenario == p.Scenario && old.Server == p.Server
			})
			all.profiles = append(all.profiles, p)
		}
		for _, f := range r.Figures {
			if old := all.find(f.Scenario, f.Name, f.Server); old != nil {
				*old = f
			} else {
				all.list = append(all.list, f)
			}
		}
	}
	return all, nil
}

// find returns the figure, nil if there is none.
func (all *figures) find(scenario, name, server string) *bench.Figure {
	for i := range all.list {
		if f := &all.list[i]; f.Scenario == scenario && f.Name == name && f.Server == server {
			return f
		}
	}
	return nil
}

// draw writes each chart that has figures, on a light and a dark background,
// and prints how to show it.
func (all *figures) draw(dir string, w io.Writer) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	drawn := 0
	for i := range drawings {
		d := &drawings[i]
		if bars := d.bars(all); bars != nil {
			drawn++
			if err := write(w, dir, d.file, bars.Title, bars); err != nil {
				return err
			}
		}
	}
	for i := range all.profiles {
		f, file := flame(&all.profiles[i])
		drawn++
		if err := write(w, dir, file, f.Title, f); err != nil {
			return err
		}
	}
	if drawn == 0 {
		return errors.New("no chart shows any of the figures")
	}
	return nil
}

// write writes a chart in both themes and prints how to show it.
func write(w io.Writer, dir, file, title string, c chart.Chart) error {
	for name, theme := range map[string]chart.Theme{"light": chart.Light, "dark": chart.Dark} {
		svg, err := c.SVG(theme)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, file+"-"+name+".svg"), svg, 0o644); err != nil {
			return err
		}
	}
	base := filepath.ToSlash(filepath.Join(dir, file))
	_, err := fmt.Fprintf(w, "<picture><source media=\"(prefers-color-scheme: dark)\" srcset=\"%s-dark.svg\"><img alt=\"%s\" src=\"%s-light.svg\"></picture>\n\n", base, title, base)
	return err
}

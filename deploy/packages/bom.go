package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// bill is a bill of materials in the format of CycloneDX 1.5.
type bill struct {
	Format     string      `json:"bomFormat"`
	Spec       string      `json:"specVersion"`
	Version    int         `json:"version"`
	Metadata   metadata    `json:"metadata"`
	Components []component `json:"components"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type     string    `json:"type"`
	Ref      string    `json:"bom-ref"`
	Name     string    `json:"name"`
	Version  string    `json:"version,omitempty"`
	URL      string    `json:"purl,omitempty"`
	Hashes   []hash    `json:"hashes,omitempty"`
	Licenses []license `json:"licenses,omitempty"`
}

type license struct {
	License struct {
		ID string `json:"id"`
	} `json:"license"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

// billOf writes what a program consists of: the modules that Go's linker has noted in it,
// Go's library, and the packages of npm that the admin page was bundled from.
func (r *release) billOf(arch string) error {
	info, err := buildinfo.ReadFile(r.program(arch))
	if err != nil {
		return err
	}
	sum, err := sha256Of(r.program(arch))
	if err != nil {
		return err
	}
	b := bill{Format: "CycloneDX", Spec: "1.5", Version: 1}
	b.Metadata.Timestamp = r.at.Format(time.RFC3339)
	b.Metadata.Component = component{
		Type: "application", Ref: "castgate", Name: "castgate", Version: r.version, Hashes: []hash{{"SHA-256", sum}},
	}
	b.Components = append(b.Components, library("std", info.GoVersion[len("go"):]))
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Components = append(b.Components, library(m.Path, m.Version))
	}
	page, err := bundled(filepath.Join(r.root, "server/admin/built/packages.json"))
	if err != nil {
		return err
	}
	b.Components = append(b.Components, page...)
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, "castgate_linux_"+arch+".cdx.json"), append(text, '\n'), 0o644)
}

// library is a Go module as a component.
func library(path, version string) component {
	url := "pkg:golang/" + path + "@" + version
	return component{Type: "library", Ref: url, Name: path, Version: version, URL: url}
}

// bundled are the packages of npm in the admin page, as its build has listed them. Those
// that one of them had bundled itself have no version that is known.
func bundled(list string) (found []component, err error) {
	text, err := os.ReadFile(list)
	if err != nil {
		return nil, fmt.Errorf("what is bundled into the admin page: %w", err)
	}
	var packages []struct{ Name, Version, License string }
	if err := json.Unmarshal(text, &packages); err != nil {
		return nil, fmt.Errorf("%s: %w", list, err)
	}
	for _, p := range packages {
		url := "pkg:npm/" + strings.Replace(p.Name, "@", "%40", 1)
		if p.Version != "" {
			url += "@" + p.Version
		}
		c := component{Type: "library", Ref: url, Name: p.Name, Version: p.Version, URL: url}
		if p.License != "" {
			c.Licenses = make([]license, 1)
			c.Licenses[0].License.ID = p.License
		}
		found = append(found, c)
	}
	return found, nil
}

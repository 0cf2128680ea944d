package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"castgate/loadtest"
)

// outputFlags say where a result goes.
type outputFlags struct {
	JSON       bool   `help:"Print the result as JSON." name:"json"`
	HTML       string `help:"Write the result as a self-contained page with charts." name:"html" placeholder:"FILE"`
	NoProgress bool   `help:"Show no progress."`
}

// pageFlags are those of the command that makes a page from a stored result.
type pageFlags struct {
	File string `arg:"" help:"Output of --json; - for standard input."`
}

// output is an outputFlags with its page file open.
type output struct {
	outputFlags
	page *os.File // nil without a page
}

// open finds out before a long run whether the page can be written after it.
func (f outputFlags) open() (*output, error) {
	o := &output{outputFlags: f}
	if f.HTML == "" {
		return o, nil
	}
	if info, err := os.Stat(f.HTML); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("page: %s is not a regular file", f.HTML)
	}
	var err error
	if o.page, err = os.CreateTemp(filepath.Dir(f.HTML), ".loadtest-*.html"); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return o, nil
}

// close removes the page if write has not been called.
func (o *output) close() {
	if o.page != nil {
		o.page.Close()
		os.Remove(o.page.Name())
	}
}

// write prints the record as a table or JSON and writes its page.
func (o *output) write(w io.Writer, r *loadtest.Record) error {
	print := r.WriteTable
	if o.JSON {
		print = r.WriteJSON
	}
	err := print(w)
	if pageErr := o.writePage(r); err == nil {
		err = pageErr
	}
	return err
}

// writePage writes the page completely or not at all.
func (o *output) writePage(r *loadtest.Record) error {
	if o.page == nil {
		return nil
	}
	f := o.page
	err := r.WritePage(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), o.HTML)
	}
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	o.page = nil
	return nil
}

// makePage makes a page from a result printed earlier, for --html or stdout.
func (c *command) makePage(stdin io.Reader, stdout io.Writer, o *output) error {
	if c.Page.File != "-" {
		f, err := os.Open(c.Page.File)
		if err != nil {
			return err
		}
		defer f.Close()
		stdin = f
	}
	r, err := loadtest.ReadRecord(stdin)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Page.File, err)
	}
	if o.page != nil {
		return o.writePage(r)
	}
	return r.WritePage(stdout)
}

// withoutSecrets is a command line that may be shown.
func withoutSecrets(args []string) []string {
	shown := []string{"loadtest"}
	hide := false
	for _, a := range args {
		name, _, together := strings.Cut(a, "=")
		switch {
		case hide:
			a = "***"
		case name == "--control-key" && together:
			a = name + "=***"
		}
		hide = !hide && a == "--control-key"
		shown = append(shown, a)
	}
	return shown
}

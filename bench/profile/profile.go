package profile

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Kinds of functions in a profile, by author.
const (
	kindOurs = iota
	kindLibrary
	kindRuntime
	kindKernel
)

// Kinds name the kinds of functions, which are indices into it.
var Kinds = []string{kindOurs: "castgate", kindLibrary: "libraries", kindRuntime: "the runtime of Go", kindKernel: "the kernel"}

// Call is a function in a profile, with the functions that it has called.
type Call struct {
	Name    string  `json:"name"`
	Kind    int     `json:"kind"`    // of Kinds
	Samples int     `json:"samples"` // in it and in what it has called
	Calls   []*Call `json:"calls,omitempty"`
}

// Profile is where a process's CPU time went.
type Profile struct {
	Samples int `json:"samples"`
	// Calls leaves out what is too small to see; see leastShare.
	Calls []*Call `json:"calls"`
}

const (
	// leastShare is the part of all samples below which a function is left out.
	leastShare = 0.004
	// maxStack bounds the depth of a stack, maxSamples their number and maxLine a
	// line of perf's.
	maxStack   = 128
	maxSamples = 1 << 20
	maxLine    = 64 << 10
)

// Read reads what `perf script -F comm,ip,sym` prints: for each sample a line with
// the thread's name, then a line for each function, innermost first, with its address
// and its name, then an empty line.
func Read(r io.Reader) (*Profile, error) {
	p, root := &Profile{}, &Call{}
	var stack []string // innermost first
	inStack := false
	end := func() {
		if inStack && len(stack) > 0 {
			root.add(stack)
			p.Samples++
		}
		stack, inStack = stack[:0], false
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.TrimSpace(line) == "":
			end()
		case line[0] != ' ' && line[0] != '\t':
			end()
			inStack = true
		case inStack && len(stack) < maxStack:
			stack = append(stack, strings.TrimSpace(line))
		}
		if p.Samples == maxSamples {
			return nil, fmt.Errorf("more than %d samples", maxSamples)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	end()
	if p.Samples == 0 {
		return nil, errors.New("no sample has a stack")
	}
	root.prune(int(float64(p.Samples) * leastShare))
	p.Calls = root.Calls
	return p, nil
}

// add counts a sample of a stack of lines, innermost first.
func (c *Call) add(stack []string) {
	for _, line := range slices.Backward(stack) {
		address, name, _ := strings.Cut(line, " ")
		name, kind := nameOf(name), kindOf(address, name)
		i := slices.IndexFunc(c.Calls, func(o *Call) bool { return o.Name == name && o.Kind == kind })
		if i < 0 {
			i = len(c.Calls)
			c.Calls = append(c.Calls, &Call{Name: name, Kind: kind})
		}
		c = c.Calls[i]
		c.Samples++
	}
}

// prune leaves out functions with up to least samples, and puts the others in the order
// of their weight.
func (c *Call) prune(least int) {
	c.Calls = slices.DeleteFunc(c.Calls, func(o *Call) bool { return o.Samples <= least })
	slices.SortFunc(c.Calls, func(a, b *Call) int {
		return cmp.Or(cmp.Compare(b.Samples, a.Samples), strings.Compare(a.Name, b.Name))
	})
	for _, o := range c.Calls {
		o.prune(least)
	}
}

// nameOf is a symbol without what the compilers have added.
func nameOf(symbol string) string {
	for _, suffix := range []string{".abi0", ".part.0", ".isra.0", ".constprop.0"} {
		symbol = strings.TrimSuffix(symbol, suffix)
	}
	return cmp.Or(symbol, "[unknown]")
}

// kindOf depends on a function's address in hexadecimal, and on its name.
func kindOf(address, name string) int {
	switch {
	case len(address) == 16 && address[0] == 'f':
		return kindKernel
	case strings.HasPrefix(name, "castgate/") || strings.HasPrefix(name, "main."):
		return kindOurs
	case strings.HasPrefix(name, "runtime.") || strings.HasPrefix(name, "internal/runtime/"):
		return kindRuntime
	default:
		return kindLibrary
	}
}

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"castgate/internal/wstest"
)

// clientVectors is clients/vectors.json, which explains itself.
type clientVectors struct {
	Key     string
	Vectors []*clientVector
}

type clientVector struct {
	vectorCall
	Name        string
	Options     M
	Refused     bool
	Connections int
	Then        []vectorCall
}

// vectorCall is a call with what must come of it.
type vectorCall struct {
	Call      string
	Args      M
	Request   *vectorRequest
	Answer    vectorAnswer
	Exchanges []vectorExchange
	Value     any
	Error     M
}

func (c *vectorCall) exchanges() []vectorExchange {
	if c.Request == nil {
		return c.Exchanges
	}
	return []vectorExchange{{Request: *c.Request, Answer: c.Answer}}
}

type vectorExchange struct {
	Request vectorRequest
	Answer  vectorAnswer
}

type vectorRequest struct {
	Method, Path string
	RawPath      string `json:"raw_path"`
	Query        url.Values
	Accept, Type string
	Body         any
	Lines        []any
	Text, Base64 string
}

type vectorAnswer struct {
	Status  int
	Headers map[string]string
	Body    any
	Lines   []any
	Text    string
	Fault   string
}

// clientJob is what a runner, a small program in a client's language, is told to
// call. Jobs with the same address and options are of one client.
type clientJob struct {
	Name    string `json:"name"`
	Address string `json:"address"`
	Key     string `json:"key"`
	Options M      `json:"options"`
	Call    string `json:"call"`
	Args    M      `json:"args"`
	// Pause is in milliseconds, before the call.
	Pause int `json:"pause"`
}

// clientResult is a line that a runner prints for a job.
type clientResult struct {
	Name  string
	Value any
	Error M
}

// clientRunner makes calls in one language.
type clientRunner struct {
	language string
	run      func(t *testing.T, jobs []clientJob) []clientResult
	// over is what the script runs over; nil is everything.
	over []string
	// lacks says why the language does not have what a vector shows.
	lacks func(v *clientVector) string
}

func readVectors(t *testing.T) *clientVectors {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(wstest.Root(t), "clients/vectors.json"))
	if err != nil {
		t.Fatal(err)
	}
	v := new(clientVectors)
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestClientVectors runs clients/vectors.json with every client.
func TestClientVectors(t *testing.T) {
	t.Parallel()
	for _, runner := range clientRunners {
		t.Run(runner.language, func(t *testing.T) {
			t.Parallel()
			runVectors(t, runner)
		})
	}
}

func runVectors(t *testing.T, runner clientRunner) {
	vectors := readVectors(t)
	var jobs []clientJob
	var want []vectorCall
	replays := map[*clientVector]*vectorServer{}
	for _, v := range vectors.Vectors {
		if runner.lacks != nil && runner.lacks(v) != "" {
			continue
		}
		replays[v] = newVectorServer(t, vectors.Key, v)
		for i, call := range append([]vectorCall{v.vectorCall}, v.Then...) {
			job := clientJob{Name: v.Name, Address: replays[v].address, Key: vectors.Key, Options: v.Options, Call: call.Call, Args: call.Args}
			if i > 0 {
				job.Name = fmt.Sprintf("%s, call %d", v.Name, i+1)
				job.Pause = 300 // milliseconds in which a client notices that its connection was closed
			}
			jobs, want = append(jobs, job), append(want, call)
		}
	}
	results := runner.run(t, jobs)
	if len(results) != len(jobs) {
		t.Fatalf("%d results of %d calls", len(results), len(jobs))
	}
	for i, r := range results {
		expectResult(t, jobs[i].Name, r, want[i])
	}
	for v, replay := range replays {
		replay.finish(t, v)
	}
	t.Logf("%s: %d vectors, %d calls", runner.language, len(replays), len(jobs))
}

func expectResult(t *testing.T, name string, r clientResult, want vectorCall) {
	t.Helper()
	if r.Name != name {
		t.Errorf("%s: the result is of %q", name, r.Name)
	}
	if problem := differs(want.Error, r.Error); want.Error != nil && problem != "" {
		t.Errorf("%s: error %v (value %v), want %v: %s", name, r.Error, r.Value, want.Error, problem)
	}
	if want.Error == nil && r.Error != nil {
		t.Errorf("%s: error %v, want %v", name, r.Error, want.Value)
	} else if problem := differs(want.Value, r.Value); want.Error == nil && problem != "" {
		t.Errorf("%s: %s\ngot  %v\nwant %v", name, problem, r.Value, want.Value)
	}
}

// differs says where got is not want. Objects may have more fields. PHP does not
// tell an empty object from an empty list.
func differs(want, got any) string {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if list, empty := got.([]any); len(w) == 0 && empty && len(list) == 0 {
			return ""
		}
		if !ok {
			return fmt.Sprintf("%v is not an object", got)
		}
		for _, name := range slices.Sorted(maps.Keys(w)) {
			value, present := g[name]
			if !present {
				return name + " is missing"
			}
			if problem := differs(w[name], value); problem != "" {
				return name + ": " + problem
			}
		}
		return ""
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%v is not a list of %d", got, len(w))
		}
		for i := range w {
			if problem := differs(w[i], g[i]); problem != "" {
				return fmt.Sprintf("[%d]: %s", i, problem)
			}
		}
		return ""
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Sprintf("%#v, want %#v", got, want)
	}
	return ""
}

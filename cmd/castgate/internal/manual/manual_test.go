package manual

import (
	"bytes"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// grammar is a small command line with everything that is hard to write down.
type grammar struct {
	Serve struct {
		Config  string `placeholder:"FILE" help:"A file."`
		Ping    string `unit:"duration" default:"25s" help:"'quoted' and .dotted \\ text. More of it."`
		Secrets string `hidden:"" help:"Nobody sees this."`
	} `cmd:"" help:"Run it."`
	Key struct {
		New struct {
			Name string `help:"Its name: letters."`
		} `cmd:"" help:"Make a key."`
		List struct{} `cmd:"" help:"List keys."`
	} `cmd:"" help:"Keys."`
	Client struct {
		ID string `arg:"" help:"Which."`
	} `cmd:"" help:"'Show one."`
	Trick struct{} `cmd:"" hidden:"" help:"Not for you."`
}

func model(t *testing.T) *kong.Application {
	t.Helper()
	p, err := kong.New(new(grammar), kong.Name("castgate"), kong.Description("A program."))
	if err != nil {
		t.Fatal(err)
	}
	return p.Model
}

// written is what one of the writers writes.
func written(t *testing.T, write func(io.Writer, *kong.Application) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, model(t)); err != nil {
		t.Fatal(err)
	}
	if text := b.String(); !strings.Contains(text, "Trick") && !strings.Contains(text, "trick") && !strings.Contains(text, "secrets") {
		return text
	}
	t.Fatalf("what is hidden is shown:\n%s", &b)
	return ""
}

func TestPage(t *testing.T) {
	page := written(t, func(w io.Writer, app *kong.Application) error {
		return Page(w, app, "v1.2-3", Settings{
			Is:       func(f *kong.Flag) bool { return f.Tag.Has("unit") },
			Variable: func(name string) string { return "CASTGATE_" + strings.ToUpper(name) },
		})
	})
	for _, want := range []string{
		`.TH CASTGATE 1 "" "castgate v1.2\-3" "User Commands"`,
		"castgate \\- push gateway",
		".SS key new\nMake a key.",
		".SS client <id>\n\\&'Show one.",
		".TP\n.B \\-\\-ping=duration\n\\&'quoted' and .dotted \\e text. More of it.\nDefault: 25s.\nVariable: CASTGATE_PING.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "'") || strings.HasPrefix(line, ".q") || strings.HasPrefix(line, ".d") {
			t.Errorf("%q is a request to roff", line)
		}
	}
}

// bash offers what may come next, and files where it knows nothing.
func TestBash(t *testing.T) {
	script := written(t, Bash)
	for line, want := range map[string][]string{
		"castgate ":          {"serve", "key", "client", "--help"},
		"castgate k":         {"key"},
		"castgate key ":      {"new", "list", "--help"},
		"castgate key new -": {"--help", "--name"},
		"castgate serve --c": {"--config"},
		"castgate serve /":   nil,
	} {
		words := strings.Split(line, " ")
		for i, w := range words {
			words[i] = quoted(w)
		}
		cmd := exec.Command("bash", "-c", script+`
			COMP_WORDS=(`+strings.Join(words, " ")+`); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			_castgate; printf '%s\n' "${COMPREPLY[@]}"`)
		out, err := cmd.CombinedOutput()
		if got := strings.Fields(string(out)); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", line, got, err, want)
		}
	}
}

func TestZsh(t *testing.T) {
	script := written(t, Zsh)
	for _, want := range []string{
		"#compdef castgate\n", `		' key new') path="$path $word" ;;`, "		'key:Keys.'\n",
		`'client:'\''Show one.'`, `'--ping:'\''quoted'\'' and .dotted \ text.'`,
	} {
		if !strings.Contains(script, want) {
			t.Errorf("no %q in\n%s", want, script)
		}
	}
}

func TestFish(t *testing.T) {
	script := written(t, Fish)
	for _, want := range []string{
		`complete -c castgate -n 'test (__castgate_path) = ""' -f -a client -d '\'Show one.'`,
		`complete -c castgate -n 'test (__castgate_path) = " key new"' -l name -r -d 'Its name: letters.'`,
		`-l ping -r -d '\'quoted\' and .dotted \\ text.'`,
	} {
		if !strings.Contains(script, want+"\n") {
			t.Errorf("no %q in\n%s", want, script)
		}
	}
}

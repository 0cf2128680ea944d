// Package commandline runs a command line of castgate: it reads the arguments, finds the values
// of settings that they do not give, runs the command and ends with its exit code.
package commandline

import (
	"errors"
	"fmt"
	"os/signal"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/logs"
	"castgate/cmd/castgate/internal/process"
)

// Run runs one command line and returns the exit code. grammar gives the part of the
// grammar that a command line needs, a pointer to a struct for kong.
func Run(args []string, p process.Process, grammar func(args []string) any) int {
	p.Args = args
	p.Screen = p.Stdout
	if p.Terminal {
		p.Stdout = process.VisibleTo(p.Stdout)
	}
	err := dispatch(args, &p, grammar)
	code, last := 0, ""
	if err != nil {
		code = process.ExitFailed
		if e, ok := errors.AsType[*process.Exit](err); ok {
			code = e.Code
		}
		if text := err.Error(); text != "" {
			last = "castgate: " + process.Visible(process.OneLine(text))
		}
	}
	if p.End == nil && last != "" {
		p.End = logs.New(p.Stderr, "text").End
	}
	if p.End != nil {
		signal.Ignore(syscall.SIGPIPE) // the exit code counts, even if nobody reads the line
		p.End(last)
	}
	return code
}

// helpAsked ends parsing after kong has printed the help; kong would exit
// otherwise.
type helpAsked struct{}

// dispatch parses the command line, determines every setting's value and runs
// the command.
func dispatch(args []string, p *process.Process, grammar func(args []string) any) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil, helpAsked:
		default:
			panic(r)
		}
	}()
	for i, arg := range args {
		// kong would insert replacement characters, and a push would be
		// changed.
		if !utf8.ValidString(arg) {
			return process.Failf(process.ExitUsage, "argument %d is not UTF-8", i+1)
		}
	}
	src := knob.NewSources(p.Environ)
	parser, err := NewParser(grammar(args), src, p)
	if err != nil {
		return err
	}
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "--version" && len(args) == 1: // a common first try
		args = []string{"version"}
	case args[0] == "help": // help push is push --help
		args = append(slices.Clone(args[1:]), "--help")
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		return &process.Exit{Code: process.ExitUsage, Err: leftOver(err)}
	}
	return ctx.Run(p, src)
}

// leftOver is the error of a command line without the superfluous argument: it
// may be the rest of a key that was not quoted.
func leftOver(err error) error {
	e, ok := errors.AsType[*kong.ParseError](err)
	if !ok || !strings.HasPrefix(err.Error(), "unexpected argument ") {
		return err
	}
	n := e.Context.Selected()
	if n == nil || len(n.Children) > 0 { // a mistyped command
		return err
	}
	return fmt.Errorf("%s: one argument too many; quote values that contain spaces", n.Name)
}

// NewParser builds kong's parser for a grammar. kong does not read environment and file
// itself: src does, and knows where each value came from.
func NewParser(c any, src *knob.Sources, p *process.Process) (*kong.Kong, error) {
	parser, err := kong.New(c,
		kong.Name("castgate"),
		kong.Description("A push gateway: WebSocket clients in, an HTTP control API to reach them."),
		kong.UsageOnError(),
		kong.Writers(p.Stdout, p.Stderr),
		kong.Exit(func(int) { panic(helpAsked{}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.ExplicitGroups([]kong.Group{{Key: "verbs", Title: "Talk to a running gateway (the verbs of the control API):"}}),
		kong.ValueFormatter(helpOf),
		kong.KindMapper(reflect.Int, kong.MapperFunc(knob.Whole)),
		kong.KindMapper(reflect.Int64, kong.MapperFunc(knob.Whole)),
		kong.KindMapper(reflect.Uint16, kong.MapperFunc(knob.Whole)),
		computedDefaults(),
		kong.Resolvers(src),
		kong.WithBeforeResolve(src.Load),
	)
	if err != nil {
		return nil, err
	}
	knob.Guard(parser.Model.Node)
	src.Learn(parser.Model)
	return parser, nil
}

// helpOf is a flag's help, with the variable for the same setting.
func helpOf(v *kong.Value) string {
	if v.Flag == nil || !knob.Is(v.Flag) && v.Name != knob.ConfigFlag {
		return v.Help
	}
	return strings.TrimSuffix(v.Help, ".") + " ($" + knob.Variable(v.Name) + ")."
}

// processors is the initial GOMAXPROCS: serve raises it, and a reload must
// arrive at the same defaults as the start.
var processors = runtime.GOMAXPROCS(0)

// computedDefaults are the defaults that depend on the machine.
func computedDefaults() kong.Vars {
	return kong.Vars{"loops": strconv.Itoa(processors)}
}

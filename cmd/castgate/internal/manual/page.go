package manual

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// Page writes the man page castgate(1). version stands in its footer.
func Page(w io.Writer, app *kong.Application, version string, s Settings) error {
	p := &page{app: app, settings: s}
	p.line(`.TH CASTGATE 1 "" "castgate %s" "User Commands"`, roff(version))
	p.section("NAME")
	p.text("castgate - push gateway for WebSocket clients")
	p.section("SYNOPSIS")
	p.line(`.B castgate`)
	p.line(`.I command`)
	p.line(`.RI [ flags ]`)
	p.section("DESCRIPTION")
	p.text(app.Help)
	p.text("castgate serve runs the gateway. Most other commands talk to a running gateway over its control API, and print its JSON answer.")
	p.section("COMMANDS")
	for path, n := range commands(app) {
		if path != "" {
			p.command(path, n)
		}
	}
	p.section("SETTINGS")
	p.text("A flag of castgate serve is a setting. Each is also a variable and a line of the file that --config names. Flags win over variables, and variables over the file.")
	for path, n := range commands(app) {
		if path == "serve" {
			for _, f := range flagsOf(p.app, n) {
				if p.settings.Is(f) {
					p.flag(f)
				}
			}
		}
	}
	p.rest()
	_, err := io.WriteString(w, p.out.String())
	return err
}

// page is a man page that is being written.
type page struct {
	app      *kong.Application
	settings Settings
	out      strings.Builder
}

func (p *page) line(format string, args ...any) { fmt.Fprintf(&p.out, format+"\n", args...) }

func (p *page) section(name string) { p.line(".SH %s", name) }

// text writes a paragraph.
func (p *page) text(paragraph string) { p.line(".PP\n%s", roff(paragraph)) }

// command writes one command with what only it takes.
func (p *page) command(path string, n *kong.Node) {
	usage := path
	for _, a := range n.Positional {
		usage += " " + a.Summary()
	}
	p.line(".SS %s", roff(usage))
	p.line("%s", roff(n.Help))
	if path == "serve" {
		p.line("Its flags are the settings below.")
		return
	}
	shared := false
	for _, f := range flagsOf(p.app, n) {
		switch {
		case f == p.app.HelpFlag:
		case p.settings.Is(f):
			shared = true
		default:
			p.flag(f)
		}
	}
	if shared {
		p.text("It also takes settings as flags: castgate " + path + " --help lists them.")
	}
}

// flag writes one flag, with its default and variable.
func (p *page) flag(f *kong.Flag) {
	form := "--" + f.Name
	if !f.IsBool() {
		form += "=" + f.FormatPlaceHolder()
	}
	if p.settings.Is(f) {
		form = "--" + f.Name + "=" + f.Tag.Get("unit")
	}
	p.line(".TP\n.B %s\n%s", roff(form), roff(f.Help))
	if p.settings.Is(f) {
		if f.Default != "" {
			p.line("Default: %s.", roff(f.Default))
		}
		p.line("Variable: %s.", roff(p.settings.Variable(f.Name)))
	}
}

// rest writes what the parser does not know.
func (p *page) rest() {
	p.section("SIGNALS")
	for _, s := range [][2]string{
		{"SIGTERM, SIGINT", "stop: not ready at once, then clients get what waits for them and are closed; a second one ends the process at once"},
		{"SIGHUP", "read the configuration again, and apply what needs no restart"},
	} {
		p.line(".TP\n.B %s\n%s", roff(s[0]), roff(s[1]))
	}
	p.section("EXIT STATUS")
	for _, s := range [][2]string{
		{"0", "the command succeeded"}, {"1", "it failed"}, {"2", "a setting, flag or command is wrong or unknown"},
		{"3", "the gateway ended unexpectedly; a supervisor should start it again"},
	} {
		p.line(".TP\n.B %s\n%s", s[0], roff(s[1]))
	}
	p.section("FILES")
	p.line(".TP\n.I /etc/castgate/castgate.toml\n%s", roff("the settings of the service that the packages install"))
	p.section("SEE ALSO")
	p.line(".BR systemd.socket (5)")
}

// roff escapes text: hyphens that can be copied, no escapes and no requests.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, `-`, `\-`, "\n", " ").Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

package main

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"castgate/cmd/castgate/internal/commandline"
	"castgate/cmd/castgate/internal/commandline/linetest"
	"castgate/cmd/castgate/internal/knob"
	"castgate/cmd/castgate/internal/process"
	"castgate/server"
	"castgate/server/capacity"
	"castgate/server/control"
)

// parse parses a command line of serve with the real parser.
func parse(t *testing.T, args, environ []string) (*settings, *knob.Sources, error) {
	t.Helper()
	var c serveLine
	p := &process.Process{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}
	src := knob.NewSources(environ)
	parser, err := commandline.NewParser(&c, src, p)
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(append([]string{"serve"}, args...))
	return &c.Serve.settings, src, err
}

// resolved is parse and resolve; the error comes from either.
func resolved(t *testing.T, args, environ []string) (*effective, error) {
	t.Helper()
	s, src, err := parse(t, args, environ)
	if err != nil {
		return nil, err
	}
	return s.resolve(&process.Process{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}}, src)
}

func TestDefaultsAreThoseOfThePackages(t *testing.T) {
	e, err := resolved(t, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	e.server.Logger, e.control.Logger = nil, nil
	if want := server.Defaults(); !reflect.DeepEqual(e.server, want) {
		t.Errorf("server: defaults of the flags are\n%+v, want\n%+v", e.server, want)
	}
	want := control.Defaults()
	want.Ready, want.Logger = nil, nil
	if !reflect.DeepEqual(e.control, want) {
		t.Errorf("control: defaults of the flags are\n%+v, want\n%+v", e.control, want)
	}
}

// Each limit of the server that can change is a setting of the same name, which a reload
// applies.
func TestLimitsOfTheServer(t *testing.T) {
	var s settings
	of := reflect.TypeOf(&s).Elem()
	for _, field := range reflect.VisibleFields(reflect.TypeFor[capacity.Capacity]()) {
		f, ok := of.FieldByName(field.Name)
		if _, hot := f.Tag.Lookup(knob.HotTag); !ok || !hot {
			t.Errorf("%s: a setting %v, applied by a reload %v", field.Name, ok, hot)
		}
	}
	e, err := resolved(t, []string{
		"--max-conns=7", "--max-message=8KiB", "--max-handshake=9KiB", "--send-queue=10", "--slow-policy=drop", "--push-queue=11",
		"--handshake-timeout=12s", "--unbound-timeout=13s", "--ping-interval=14s", "--ping-timeout=15s", "--tcp-keepalive=16s",
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := capacity.Capacity{
		MaxConns: 7, MaxMessage: 8 << 10, MaxHandshake: 9 << 10, SendQueue: 10, SlowPolicy: capacity.SlowDrop, PushQueue: 11,
		HandshakeTimeout: 12 * time.Second, UnboundTimeout: 13 * time.Second, PingInterval: 14 * time.Second, PingTimeout: 15 * time.Second,
		TCPKeepalive: 16 * time.Second,
	}
	if e.server.Capacity != want {
		t.Errorf("%+v, want %+v", e.server.Capacity, want)
	}
}

func TestPrecedence(t *testing.T) {
	file := linetest.File(t, "castgate.toml", "ping-interval = '3s'\nmax-message = 2048\nsend-queue = '2KiB'\n", 0o600)
	for _, tt := range []struct {
		name    string
		args    []string
		environ []string
		want    time.Duration
		from    string
	}{
		{"default", nil, nil, 25 * time.Second, ""},
		{"file", []string{"--config", file}, nil, 3 * time.Second, file + ":1"},
		{"file named by a variable", nil, []string{"CASTGATE_CONFIG=" + file}, 3 * time.Second, file + ":1"},
		{"variable over file", []string{"--config", file}, []string{"CASTGATE_PING_INTERVAL=2s"}, 2 * time.Second, "CASTGATE_PING_INTERVAL"},
		{"flag over both", []string{"--config", file, "--ping-interval=1s"}, []string{"CASTGATE_PING_INTERVAL=2s"}, time.Second, "--ping-interval"},
		{"a flag that says the default", []string{"--config", file, "--ping-interval", "25s"}, nil, 25 * time.Second, "--ping-interval"},
		{"0 turns off", []string{"--config", file}, []string{"CASTGATE_PING_INTERVAL=0"}, 0, "CASTGATE_PING_INTERVAL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, src, err := parse(t, tt.args, tt.environ)
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Duration(s.PingInterval); got != tt.want {
				t.Errorf("ping-interval %v, want %v", got, tt.want)
			}
			if got := src.From["ping-interval"]; got != tt.from {
				t.Errorf("from %q, want %q", got, tt.from)
			}
		})
	}
	s, _, err := parse(t, []string{"--config", file}, nil)
	if err != nil || s.MaxMessage != 2048 || s.SendQueue != 2048 {
		t.Errorf("sizes of the file: %v %v, %v; want 2048 each", s.MaxMessage, s.SendQueue, err)
	}
}

func TestValues(t *testing.T) {
	file := linetest.File(t, "castgate.toml", "allowed-origins = ['https://a.example', '*.b.example']\ninit-message = ''\nloops = 1\n", 0o600)
	e, err := resolved(t, []string{"--config", file, "--node=65535", "--max-conns=7"},
		[]string{"CASTGATE_CONTROL_KEY=one, two", "HOME=/root", "CASTGATE_SERVICE_HOST=10.0.0.1", "CASTGATE_CONTROL_PORT_7273_TCP_ADDR=10.0.0.1", "CASTGATE_PORT=tcp://10.0.0.1:7272"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"https://a.example", "*.b.example"}; !reflect.DeepEqual(e.server.AllowedOrigins, want) {
		t.Errorf("origins %q, want %q", e.server.AllowedOrigins, want)
	}
	if want := []string{"one", "two"}; !reflect.DeepEqual(e.control.Keys, want) {
		t.Errorf("keys %q, want %q", e.control.Keys, want)
	}
	if e.server.InitMessage != "" || e.server.Loops != 1 || e.server.Node != 65535 || e.server.MaxConns != 7 {
		t.Errorf("values are %+v", e.server)
	}
}

func TestCompressSetting(t *testing.T) {
	on, off := linetest.File(t, "on.toml", "compress = true\ncompress-min = '1KiB'\ncompress-level = 6\n", 0o600), linetest.File(t, "off.toml", "compress = false\n", 0o600)
	for _, tt := range []struct {
		args    []string
		environ []string
		want    bool
	}{
		{nil, nil, false},
		{[]string{"--compress"}, nil, true},
		{nil, []string{"CASTGATE_COMPRESS=true"}, true},
		{[]string{"--config", on}, nil, true},
		{[]string{"--config", off}, nil, false},
		{[]string{"--config", off, "--compress"}, nil, true},
	} {
		e, err := resolved(t, tt.args, tt.environ)
		if err != nil || e.server.Compress != tt.want {
			t.Errorf("%q %q: %v, %v", tt.args, tt.environ, err, err == nil && e.server.Compress)
		}
	}
	if e, err := resolved(t, []string{"--config", on}, nil); err != nil || e.server.CompressMin != 1024 || e.server.CompressLevel != 6 {
		t.Errorf("%v, %+v", err, e)
	}
}

// Every error is one line that names the setting and where it came from.
func TestWrongSettings(t *testing.T) {
	for _, tt := range []struct {
		name    string
		args    []string
		environ []string
		file    string
		want    []string // all of them in the error
	}{
		{name: "unknown flag", args: []string{"--ping-intervall=1s"}, want: []string{"--ping-intervall", "--ping-interval"}},
		{name: "bad duration in a flag", args: []string{"--ping-interval=25"}, want: []string{`--ping-interval: "25" is not a duration`}},
		{name: "bad number in a flag", args: []string{"--loops=two"}, want: []string{`--loops: "two" is not a whole number`}},
		{name: "bad number in the file", file: "max-conns-per-ip = 'many'\n", want: []string{`--max-conns-per-ip: "many" is not a whole number (`, "castgate.toml:1)"}},
		{name: "out of range flag", args: []string{"--loops=0"}, want: []string{"--loops: 0 is not between 1 and 256"}},
		{name: "negative", args: []string{"--max-conns=-1"}, want: []string{"--max-conns: -1"}},
		{name: "node too large", args: []string{"--node=65536"}, want: []string{`--node: "65536" is not a whole number from 0 to 65535`}},
		{name: "unknown variable", environ: []string{"CASTGATE_PING_INTERVALL=1s"}, want: []string{"CASTGATE_PING_INTERVALL", "did you mean CASTGATE_PING_INTERVAL?"}},
		{name: "bad variable", environ: []string{"CASTGATE_SEND_QUEUE=many"}, want: []string{`--send-queue: "many" is not a size`, "(CASTGATE_SEND_QUEUE)"}},
		{name: "empty variable", environ: []string{"CASTGATE_LISTEN="}, want: []string{"--listen", "(CASTGATE_LISTEN)"}},
		{name: "variable out of range", environ: []string{"CASTGATE_ON_MESSAGE=shout"}, want: []string{`--on-message: "shout"`, "(CASTGATE_ON_MESSAGE)"}},
		{name: "log level", environ: []string{"CASTGATE_LOG_LEVEL=loud"}, want: []string{`--log-level: "loud"`, "(CASTGATE_LOG_LEVEL)"}},
		{name: "log format", args: []string{"--log-format=xml"}, want: []string{`--log-format: "xml"`}},
		{name: "unknown key", file: "listen = ':1'\n\nlistn = ':2'\n", want: []string{`"listn"`, "castgate.toml:3", "did you mean listen?"}},
		{name: "unknown table", file: "[server]\nlisten = ':1'\n", want: []string{`"server`, "castgate.toml:"}},
		{name: "dotted key", file: "control.key = 'x'\n", want: []string{`"control`, "castgate.toml:1"}},
		{name: "bad value in the file", file: "# c\nmax-message = '64 bags'\n", want: []string{"--max-message", "castgate.toml:2"}},
		{name: "duration without unit in the file", file: "ping-timeout = 10\n", want: []string{"--ping-timeout", `"10"`, "castgate.toml:1"}},
		{name: "range in the file", file: "\nping-timeout = '10ns'\n", want: []string{"--ping-timeout: 10ns is not between", "castgate.toml:2"}},
		{name: "boolean", file: "control = true\n", want: []string{"--control: a boolean is neither", "castgate.toml:1"}},
		{name: "no boolean", file: "compress = 2\n", want: []string{"--compress", "castgate.toml:1"}},
		{name: "compress level", args: []string{"--compress-level=10"}, want: []string{"--compress-level: 10 is not between 1 and 9"}},
		{name: "compress-min alone", args: []string{"--compress-min=10"}, want: []string{"--compress-min: has no effect without compress"}},
		{name: "compress-level alone", file: "compress-level = 9\n", want: []string{"--compress-level: has no effect without compress", "castgate.toml:1"}},
		{name: "list of numbers", file: "control-key = [1]\n", want: []string{"--control-key: an integer is not a string", "castgate.toml:1"}},
		{name: "twice in the file", file: "loops = 1\nloops = 2\n", want: []string{"castgate.toml:2"}},
		{name: "not TOML", file: "loops = 1\nlisten :1\n", want: []string{"castgate.toml:2"}},
		{name: "no such file", args: []string{"--config=/nowhere/castgate.toml"}, want: []string{"/nowhere/castgate.toml", "--config"}},
		{name: "empty keys", args: []string{"--control-key="}, want: []string{"--control-key: is empty"}},
		{name: "empty keys in a variable", environ: []string{"CASTGATE_CONTROL_KEY="}, want: []string{"--control-key: is empty", "(CASTGATE_CONTROL_KEY)"}},
		{name: "empty keys beside others", args: []string{"--control-key=a", "--control-key="}, want: []string{"--control-key: is empty"}},
		{name: "empty listener beside others", args: []string{"--listen=:1", "--listen="}, want: []string{"--listen: is empty"}},
		{name: "empty listener before others", args: []string{"--listen", "", "--listen", ":1"}, want: []string{"--listen: is empty"}},
		{name: "empty key", args: []string{"--control-key=a,,b"}, want: []string{"--control-key: key 2 is empty"}},
		{name: "key with a space", environ: []string{"CASTGATE_CONTROL_KEY=sec ret"}, want: []string{"--control-key: key 1 has a character", "(CASTGATE_CONTROL_KEY)"}},
		{name: "no key file", args: []string{"--control-key=@/nowhere/keys"}, want: []string{"--control-key", "/nowhere/keys"}},
		{name: "control for all without a key", args: []string{"--control=0.0.0.0:7273"}, want: []string{"--control", "key"}},
		{name: "control for all in the file", file: "control = ':7273'\n", want: []string{"--control", "key", "castgate.toml:1"}},
		{name: "argument too many", args: []string{"now"}, want: []string{"now"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := tt.args
			if tt.file != "" {
				args = append(args, "--config", linetest.File(t, "castgate.toml", tt.file, 0o600))
			}
			_, err := resolved(t, args, tt.environ)
			if err == nil {
				t.Fatal("no error")
			}
			text := process.OneLine(err.Error())
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q does not contain %q", text, want)
				}
			}
			if strings.Contains(text, "sec ret") {
				t.Errorf("%q shows the key", text)
			}
		})
	}
}

// An empty value that would silently switch something off is refused from a
// flag or a variable; only the file may contain one. Two messages may be empty.
func TestEmptyValues(t *testing.T) {
	mayBe := map[string]bool{"init-message": true, "gatewayworker-ping-data": true}
	var c commands
	src := knob.NewSources(nil)
	parser, err := commandline.NewParser(&c, src, &process.Process{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}})
	if err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, f := range knob.OfServe(parser.Model) {
		if f.Target.Kind() != reflect.String || !knob.Is(f) && f.Name != knob.ConfigFlag {
			continue
		}
		tried++
		_, byFlag := resolved(t, []string{"--" + f.Name + "="}, nil)
		_, byVariable := resolved(t, nil, []string{knob.Variable(f.Name) + "="})
		if mayBe[f.Name] {
			if byFlag != nil || byVariable != nil {
				t.Errorf("--%s may be empty: %v, %v", f.Name, byFlag, byVariable)
			}
			continue
		}
		if byFlag == nil || !strings.Contains(byFlag.Error(), "--"+f.Name+": ") {
			t.Errorf("--%s= : %v", f.Name, byFlag)
		}
		if byVariable == nil || !strings.Contains(byVariable.Error(), "("+knob.Variable(f.Name)+")") {
			t.Errorf("%s= : %v", knob.Variable(f.Name), byVariable)
		}
		if f.Default == "" && f.Name != knob.ConfigFlag {
			if _, err := resolved(t, []string{"--config", linetest.File(t, "castgate.toml", f.Name+" = ''\n", 0o600)}, nil); err != nil {
				t.Errorf("%s = '' in the file: %v", f.Name, err)
			}
		}
	}
	if tried < 20 {
		t.Errorf("%d settings tried", tried)
	}
	_, err = resolved(t, nil, []string{"CASTGATE_CONTROL_CLIENT_CA="})
	if want := "--control-client-ca: is empty; leave it out to have none (CASTGATE_CONTROL_CLIENT_CA)"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestEveryKnobHasHelpUnitAndVariable(t *testing.T) {
	s := knob.NewSources(nil)
	var c commands
	parser, err := commandline.NewParser(&c, s, &process.Process{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range knob.OfServe(parser.Model) {
		if f.Name == "help" || f.Name == knob.ConfigFlag {
			continue
		}
		if !knob.Is(f) || f.Help == "" {
			t.Errorf("--%s has no unit or no help", f.Name)
		}
		if !f.HasDefault && !f.IsSlice() {
			t.Errorf("--%s has no default", f.Name)
		}
		for _, value := range []string{"tcp://10.0.0.1:80", "10.0.0.1", "80"} {
			environ := map[string]string{knob.Variable(f.Name): value, "CASTGATE_SERVICE_HOST": "10.0.0.1", "CASTGATE_CONTROL_SERVICE_HOST": "10.0.0.1"}
			if knob.IsLinkVariable(knob.Variable(f.Name), environ) {
				t.Errorf("%s is taken for a variable of Kubernetes", knob.Variable(f.Name))
			}
		}
	}
	if len(s.Names) < 25 {
		t.Errorf("%d knobs: %q", len(s.Names), s.Names)
	}
}

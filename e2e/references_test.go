package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"castgate/internal/wstest"
)

// TestReferences: the references in docs say what the program says. "make references"
// writes them.
func TestReferences(t *testing.T) {
	t.Parallel()
	everything, cluster := withEverything(t), inCluster(t)
	for name, want := range map[string]string{
		"docs/settings.md": settingsReference(t),
		"docs/errors.md":   errorsReference(t, everything),
		"docs/metrics.md":  metricsReference(t, everything, cluster),
	} {
		path := filepath.Join(wstest.Root(t), name)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is not what the program says (%v): run make references", name, err)
		}
	}
}

const doNotEdit = "<!-- Written by make references: do not edit. -->\n\n"

// withEverything is a gateway with all that has metrics, after one request.
func withEverything(t *testing.T) *wstest.Gateway {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"keys":[]}`))
	}))
	t.Cleanup(backend.Close)
	site := wstest.NewAuthority(t).Issue("site")
	g := wstest.StartWith(t, wstest.Options{Schemes: []string{"wss"}, Flags: []string{
		"--tls-cert", site.Cert, "--tls-key", site.Key, "--compress", "--jwt-jwks", backend.URL,
		"--events-url", backend.URL, "--connect-url", backend.URL,
		"--admin", wstest.FreeAddr(t), "--gatewayworker-inner", wstest.FreeAddr(t), "--gatewayworker-register", wstest.FreeAddr(t),
	}})
	g.OK("GET", "/v1/stats", nil)
	return g
}

// inCluster is a node of a cluster of one.
func inCluster(t *testing.T) *wstest.Gateway {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte(strings.Repeat("s", 64)), 0o600); err != nil {
		t.Fatal(err)
	}
	address := wstest.FreeAddr(t)
	return wstest.Start(t, "--node=1", "--cluster-secret=@"+secret, "--cluster-lease=1s", "--cluster-listen="+address, "--cluster-peers="+address)
}

// settingsReference is made of config print, which has all settings with their help.
func settingsReference(t *testing.T) string {
	out, err := wstest.Command(t, "config", "print").Output()
	if err != nil {
		t.Fatal(err)
	}
	entry := regexp.MustCompile(`\n# (.*)\n# unit: (.*); default: (.*); from: [^\n]*\n(?:# )?([a-z0-9-]+) = `)
	var b strings.Builder
	b.WriteString("# Settings\n\n" + doNotEdit)
	b.WriteString("Each setting is a flag of `castgate serve` (`--ping-interval 25s`), a variable\n" +
		"(`CASTGATE_PING_INTERVAL=25s`) and a line of the file that `--config` names\n(`ping-interval = \"25s\"`). " +
		"Flags win over variables, variables over the file.\n[configuration.md](configuration.md) explains the most important ones.\n\n" +
		"| setting | default | unit | what it does | a reload applies it |\n|---|---|---|---|---|\n")
	n := 0
	for _, m := range entry.FindAllStringSubmatch(string(out), -1) {
		help, hot := strings.CutSuffix(m[1], " A reload applies it.")
		// The default of loops is this machine's number of processors.
		def := regexp.MustCompile(`^\d+ \((GOMAXPROCS)\)$`).ReplaceAllString(m[3], "$1")
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m[4], cell(def), cell(m[2]), cell(help), map[bool]string{true: "yes", false: ""}[hot])
		n++
	}
	if want := strings.Count(string(out), "\n# unit: "); n != want || n < 80 {
		t.Fatalf("%d settings were read of %d", n, want)
	}
	return b.String()
}

// cell is text in a table.
func cell(text string) string {
	text = strings.NewReplacer("|", `\|`, "<", "&lt;", "\r", "").Replace(text)
	return strings.ReplaceAll(text, "*", `\*`)
}

// errorsReference is made of the OpenAPI document.
func errorsReference(t *testing.T, g *wstest.Gateway) string {
	text, err := os.ReadFile(document(t, g, t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Meanings map[string]string `json:"x-code-meanings"`
		Paths    map[string]map[string]struct {
			Responses map[string]struct {
				Codes []string `json:"x-codes"`
			}
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	statuses := map[string]string{}
	for _, methods := range doc.Paths {
		for _, operation := range methods {
			for status, r := range operation.Responses {
				for _, code := range r.Codes {
					statuses[code] = status
				}
			}
		}
	}
	codes := make([]string, 0, len(doc.Meanings))
	for code := range doc.Meanings {
		codes = append(codes, code)
	}
	slices.SortFunc(codes, func(a, b string) int {
		return cmp.Or(cmp.Compare(cmp.Or(statuses[a], "batch"), cmp.Or(statuses[b], "batch")), cmp.Compare(a, b))
	})
	var b strings.Builder
	b.WriteString("# Errors of the control API\n\n" + doNotEdit)
	b.WriteString("An error is `application/problem+json` with `status`, a stable `code`, and a `detail` for people\n" +
		"that says what was wrong with this request. Programs look at `code` only. In a batch each reply\nhas the code of its command.\n\n" +
		"Why a client's handshake was refused is in [handshakes.md](handshakes.md).\n\n| code | status | what it means, and what to do |\n|---|---|---|\n")
	for _, code := range codes {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", code, cmp.Or(statuses[code], "in a batch"), cell(doc.Meanings[code]))
	}
	return b.String()
}

// metricNames finds the names of metrics in the sources, wherever they are described.
var metricNames = []struct{ file, prefix, pattern string }{
	{"server/control/internal/statistics/gateway.go", "castgate_", `metric: "([a-z_]+)"`},
	{"server/control/internal/statistics/port.go", "castgate_", `metric: "([a-z_]+)"`},
	{"server/control/internal/statistics/metrics.go", "castgate_", `= desc\("([a-z_]+)"`},
	{"server/events/metrics.go", "castgate_events_", `= desc\("([a-z_]+)"`},
	{"server/events/hookmetrics.go", "", `NewDesc\("([a-z_]+)"`},
	{"server/gatewayworker/metrics.go", "castgate_gatewayworker_", withHelp},
	{"server/cluster/metrics.go", "castgate_cluster_", withHelp},
	{"cmd/castgate/internal/logs/logs.go", "", `NewDesc\("([a-z_]+)"`},
}

// withHelp finds descriptions whose help and labels can be read too.
const withHelp = `desc\("([a-z_]+)", "([^"]*)"((?:, "[a-z_]+")*)\)`

// described is a family made from a description: of one that a gateway has only beside
// others, or after something went wrong.
func described(name, help, labels string) *dto.MetricFamily {
	kind := dto.MetricType_GAUGE
	if strings.HasSuffix(name, "_total") {
		kind = dto.MetricType_COUNTER
	}
	m := new(dto.Metric)
	for label := range strings.SplitSeq(labels, ",") {
		if label = strings.Trim(label, ` "`); label != "" {
			m.Label = append(m.Label, &dto.LabelPair{Name: &label})
		}
	}
	return &dto.MetricFamily{Name: &name, Help: &help, Type: &kind, Metric: []*dto.Metric{m}}
}

// metricsReference is what gateways say at /metrics. Every metric that the sources
// describe must be there.
func metricsReference(t *testing.T, gateways ...*wstest.Gateway) string {
	families := map[string]*dto.MetricFamily{}
	for _, g := range gateways {
		resp, err := g.Request(http.MethodGet, "/metrics", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		read, err := parser.TextToMetricFamilies(resp.Body)
		resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		for name, f := range read {
			if families[name] == nil || len(f.Metric) > len(families[name].Metric) {
				families[name] = f
			}
		}
	}
	for _, in := range metricNames {
		text, err := os.ReadFile(filepath.Join(wstest.Root(t), in.file))
		if err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(in.pattern).FindAllStringSubmatch(string(text), -1)
		if len(names) == 0 {
			t.Errorf("%s describes no metric", in.file)
		}
		for _, m := range names {
			name := in.prefix + m[1]
			if families[name] == nil && len(m) > 2 {
				families[name] = described(name, m[2], m[3])
			}
			if families[name] == nil {
				t.Errorf("%s describes %s, which no gateway of this test has", in.file, name)
			}
		}
	}
	var b strings.Builder
	b.WriteString("# Metrics\n\n" + doNotEdit)
	b.WriteString("`GET /metrics` on the control port, in Prometheus' format. Go's own metrics keep their usual names,\n" +
		"`go_…` and `process_…`, and are not listed. `deploy/grafana` has a dashboard and\n`deploy/prometheus` alert rules; [operations.md](operations.md) explains what to look at.\n")
	for _, section := range []struct{ title, prefix string }{
		{"Clients and pushes", "castgate_"}, {"Control port", "castgate_control_"}, {"Events", "castgate_events_"},
		{"The backend that is asked before a client is accepted", "castgate_connect_hook_"},
		{"Cluster", "castgate_cluster_"}, {"GatewayWorker", "castgate_gatewayworker_"}, {"Log and audit", "castgate_log_"},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n", section.title)
		for _, name := range sortedKeys(families) {
			if strings.HasPrefix(name, "castgate_") && sectionOf(name) == section.prefix {
				f := families[name]
				fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, strings.ToLower(f.GetType().String()), labelNames(f), cell(f.GetHelp()))
			}
		}
	}
	return b.String()
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// sectionOf is the prefix of the section that a metric stands in.
func sectionOf(name string) string {
	if strings.HasPrefix(name, "castgate_audit_") {
		return "castgate_log_"
	}
	for _, prefix := range []string{"control_", "events_", "connect_hook_", "cluster_", "gatewayworker_", "log_"} {
		if strings.HasPrefix(name, "castgate_"+prefix) {
			return "castgate_" + prefix
		}
	}
	return "castgate_"
}

// labelNames are the labels of a family.
func labelNames(f *dto.MetricFamily) string {
	var names []string
	for _, l := range f.Metric[0].GetLabel() {
		names = append(names, "`"+l.GetName()+"`")
	}
	return strings.Join(names, ", ")
}

package knob

import (
	"strings"
	"testing"
)

// checked is what a command line says of variables.
func checked(environ []string) error {
	s := NewSources(environ)
	s.Names = []string{"listen", "control", "reuse-port"}
	return s.checkVariables()
}

// Variables that Kubernetes and Docker put into the environment do not prevent
// a start, whatever the service's ports are called.
func TestLinkVariables(t *testing.T) {
	for name, environ := range map[string][]string{
		"a service castgate": {
			"CASTGATE_SERVICE_HOST=10.96.0.7", "CASTGATE_SERVICE_PORT=80", "CASTGATE_SERVICE_PORT_HTTP=80", "CASTGATE_SERVICE_PORT_HTTP_ALT_2=81",
			"CASTGATE_PORT=tcp://10.96.0.7:80", "CASTGATE_PORT_80_TCP=tcp://10.96.0.7:80", "CASTGATE_PORT_80_TCP_PROTO=tcp",
			"CASTGATE_PORT_80_TCP_PORT=80", "CASTGATE_PORT_80_TCP_ADDR=10.96.0.7", "CASTGATE_PORT_53_UDP=udp://10.96.0.7:53", "CASTGATE_PORT_53_UDP_PROTO=udp",
		},
		"by IPv6": {"CASTGATE_SERVICE_HOST=fd00::7", "CASTGATE_SERVICE_PORT=80", "CASTGATE_PORT=tcp://[fd00::7]:80", "CASTGATE_PORT_80_TCP_ADDR=fd00::7"},
		"services beside it": {
			"CASTGATE_CONTROL_SERVICE_HOST=10.96.0.8", "CASTGATE_CONTROL_SERVICE_PORT=7273", "CASTGATE_CONTROL_PORT=tcp://10.96.0.8:7273",
			"CASTGATE_CONTROL_PORT_7273_TCP_ADDR=10.96.0.8", "CASTGATE_LISTEN_PORT=tcp://10.96.0.9:1",
		},
		"a link of Docker": {
			"CASTGATE_NAME=/web_1/castgate", "CASTGATE_PORT=tcp://172.17.0.5:7272", "CASTGATE_PORT_7272_TCP=tcp://172.17.0.5:7272",
			"CASTGATE_PORT_7272_TCP_ADDR=172.17.0.5", "CASTGATE_PORT_7272_TCP_PORT=7272", "CASTGATE_PORT_7272_TCP_PROTO=tcp",
			"CASTGATE_PORT_7272_TCP_START=tcp://172.17.0.5:7272", "CASTGATE_PORT_7272_TCP_END=tcp://172.17.0.5:7274",
			"CASTGATE_PORT_7272_TCP_PORT_START=7272", "CASTGATE_PORT_7272_TCP_PORT_END=7274",
			"CASTGATE_ENV_PATH=/usr/bin", "CASTGATE_ENV_CASTGATE_LISTEN=:8000",
			"CASTGATE_1_NAME=/web_1/castgate_1", "CASTGATE_1_PORT=tcp://172.17.0.5:7272", "CASTGATE_1_ENV_HOME=/root",
		},
	} {
		if err := checked(environ); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A variable with such a name that a person set is refused, and the error names
// the one that was meant.
func TestVariablesThatLookLikeLinks(t *testing.T) {
	for variable, meant := range map[string]string{
		"CASTGATE_PORT=8000":                     "did you mean CASTGATE_LISTEN=:8000?",
		"CASTGATE_PORT=:8000":                    "did you mean CASTGATE_LISTEN?",
		"CASTGATE_PORT=":                         "did you mean CASTGATE_LISTEN?",
		"CASTGATE_PORT=tcp://0.0.0.0:8000":       "did you mean CASTGATE_LISTEN?",
		"CASTGATE_PORT=http://10.0.0.1:80":       "did you mean CASTGATE_LISTEN?",
		"CASTGATE_SERVICE_PORT=8000":             "did you mean CASTGATE_LISTEN=:8000?",
		"CASTGATE_SERVICE_HOST=0.0.0.0":          "did you mean CASTGATE_LISTEN?",
		"CASTGATE_HOST=0.0.0.0":                  "did you mean CASTGATE_LISTEN?",
		"CASTGATE_ADDR=:1":                       "did you mean CASTGATE_LISTEN?",
		"CASTGATE_WS_PORT=1":                     "did you mean CASTGATE_LISTEN=:1?",
		"CASTGATE_LISTEN_PORT=1":                 "did you mean CASTGATE_LISTEN=:1?",
		"CASTGATE_CONTROL_PORT=7273":             "did you mean CASTGATE_CONTROL=:7273?",
		"CASTGATE_CONTROL_HOST=localhost":        "did you mean CASTGATE_CONTROL?",
		"CASTGATE_PORT_80_TCP=80":                "",
		"CASTGATE_PORT_80_TCP_PROTO=http":        "",
		"CASTGATE_PORT_80_TCP_ADDR=a.example":    "",
		"CASTGATE_PORT_80_TCP_PORT=many":         "",
		"CASTGATE_GATEWAYWORKER_INNER_PORT=2900": "",
		"CASTGATE_NAME=gateway-1":                "",
		"CASTGATE_ENV_PATH=/usr/bin":             "",
		"CASTGATE_ENV=production":                "",
		"CASTGATE_SERVICE_PORT_HTTP=80":          "",
	} {
		name, _, _ := strings.Cut(variable, "=")
		err := checked([]string{variable})
		if err == nil || !strings.Contains(err.Error(), "unknown variable "+name) || !strings.Contains(err.Error(), meant) {
			t.Errorf("%s: %v, want %q", variable, err, meant)
		}
	}
}

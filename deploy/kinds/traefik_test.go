package kinds

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// checkTraefik tells what a dynamic configuration has that Traefik does not know.
func checkTraefik(t *testing.T, k *Kinds, text string) []string {
	t.Helper()
	var value map[string]any
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	return k.Check(traefik+"/pkg/config/dynamic", "Configuration", value, "traefik.yaml")
}

// The sample for Traefik has only what Traefik's own types have, in the form that they
// take, and what does not is found.
func TestTraefik(t *testing.T) {
	k, text := load(t), string(read(t, "../proxies/traefik.yaml"))
	for _, wrong := range checkTraefik(t, k, text) {
		t.Error(wrong)
	}
	for was, becomes := range map[string]string{
		"entryPoints:": "entrypoint:", "[websecure]": "websecure", "certResolver:": "resolver:", "loadBalancer:": "loadbalance:",
		"- url:": "- uri:", "interval: 1s": "every: 1s", "flushInterval:": "flush:", "http:\n": "https:\n",
	} {
		changed := strings.Replace(text, was, becomes, 1)
		if changed == text {
			t.Fatalf("the sample has no %s", was)
		}
		if wrong := checkTraefik(t, k, changed); len(wrong) != 1 {
			t.Errorf("%s: %q", becomes, wrong)
		}
	}
}

package kinds

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// packages are those of the kinds that our manifests use.
var packages = map[string]string{
	"apps/v1 StatefulSet": "k8s.io/api/apps/v1", "v1 Service": "k8s.io/api/core/v1", "policy/v1 PodDisruptionBudget": "k8s.io/api/policy/v1",
	"networking.k8s.io/v1 NetworkPolicy":      "k8s.io/api/networking/v1",
	"monitoring.coreos.com/v1 ServiceMonitor": "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1",
}

func load(t *testing.T) *Kinds {
	t.Helper()
	k, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Every field of the manifests is one that its kind has, in the form that it takes.
func TestManifests(t *testing.T) {
	k, found := load(t), 0
	for _, file := range []string{"castgate.yaml", "servicemonitor.yaml"} {
		for document := range bytes.SplitSeq(read(t, "../kubernetes/"+file), []byte("\n---\n")) {
			var value map[string]any
			if err := yaml.Unmarshal(document, &value); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			name := value["apiVersion"].(string) + " " + value["kind"].(string)
			if packages[name] == "" {
				t.Errorf("%s: %s is a kind that nobody expects", file, name)
				continue
			}
			found++
			for _, wrong := range k.Check(packages[name], value["kind"].(string), value, value["kind"].(string)) {
				t.Errorf("%s: %s", file, wrong)
			}
		}
	}
	if found != 7 {
		t.Errorf("%d objects", found)
	}
}

// What is not there or has another form is found, wherever it is.
func TestMistakes(t *testing.T) {
	k := load(t)
	text := string(read(t, "../kubernetes/castgate.yaml"))
	text, _, _ = strings.Cut(text, "\n---\n")
	for was, becomes := range map[string]string{
		"readinessProbe:": "readynessProbe:", "  replicas: 1": "  replicas: one", "periodSeconds: 2": "period: 2",
		"runAsNonRoot: true": "runAsNonRoot: 1", "{name: clients, containerPort: 7272}": "{name: clients, port: 7272}",
		"metadata:": "metaData:", "limits: {memory: 2Gi}": "limits: {memory: [2]}",
	} {
		changed := strings.Replace(text, was, becomes, 1)
		var value map[string]any
		if err := yaml.Unmarshal([]byte(changed), &value); err != nil || changed == text {
			t.Fatalf("%s: %v", becomes, err)
		}
		if wrong := k.Check("k8s.io/api/apps/v1", "StatefulSet", value, "StatefulSet"); len(wrong) != 1 {
			t.Errorf("%s: %q", becomes, wrong)
		}
	}
}

// The snippet of docs/rolling-updates.md is a part of a pod.
func TestDocumentedPod(t *testing.T) {
	found := regexp.MustCompile(`(?m)^    terminationGracePeriodSeconds:.*\n(?:    .*\n)+`).Find(read(t, "../../docs/rolling-updates.md"))
	var pod map[string]any
	if err := yaml.Unmarshal(regexp.MustCompile(`(?m)^    `).ReplaceAll(found, nil), &pod); err != nil || pod["containers"] == nil {
		t.Fatalf("%v in\n%s", err, found)
	}
	for _, wrong := range load(t).Check("k8s.io/api/core/v1", "PodSpec", pod, "pod") {
		t.Error(wrong)
	}
}

package kubernetes

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
)

// objects decodes each document of a file into the API's own type. A field that the type
// does not have is an error.
func objects(t *testing.T, text []byte) (all []any) {
	t.Helper()
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		var kind struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal(document, &kind); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		var into any
		switch kind.APIVersion + " " + kind.Kind {
		case "apps/v1 StatefulSet":
			into = new(apps.StatefulSet)
		case "v1 Service":
			into = new(core.Service)
		case "policy/v1 PodDisruptionBudget":
			into = new(policy.PodDisruptionBudget)
		case "networking.k8s.io/v1 NetworkPolicy":
			into = new(networking.NetworkPolicy)
		case "monitoring.coreos.com/v1 ServiceMonitor":
			into = new(monitoring.ServiceMonitor)
		case " ":
			continue
		default:
			t.Errorf("%s %s is a kind that nobody expects", kind.APIVersion, kind.Kind)
			continue
		}
		if err := yaml.UnmarshalStrict(document, into); err != nil {
			t.Errorf("%v in\n%s", err, document)
		}
		all = append(all, into)
	}
	return all
}

// texts are the manifests and, if ci/deploy-check.sh has rendered it, the chart.
func texts(t *testing.T) map[string][]byte {
	t.Helper()
	names := []string{"castgate.yaml"}
	if rendered := os.Getenv("CASTGATE_RENDERED_CHART"); rendered != "" {
		names = append(names, rendered)
	}
	all := map[string][]byte{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = text
	}
	return all
}

// The monitor is what the Prometheus Operator knows. It selects the service of the control
// port, and reads the metrics with a key.
func TestServiceMonitor(t *testing.T) {
	text, err := os.ReadFile("servicemonitor.yaml")
	if err != nil {
		t.Fatal(err)
	}
	manifests, err := os.ReadFile("castgate.yaml")
	if err != nil {
		t.Fatal(err)
	}
	monitor, ok := objects(t, text)[0].(*monitoring.ServiceMonitor)
	if !ok || len(monitor.Spec.Endpoints) != 1 {
		t.Fatalf("%+v", monitor)
	}
	selected := 0
	for _, o := range objects(t, manifests) {
		s, is := o.(*core.Service)
		if !is || s.Labels["castgate/port"] != monitor.Spec.Selector.MatchLabels["castgate/port"] {
			continue
		}
		selected++
		if s.Spec.Ports[0].Name != monitor.Spec.Endpoints[0].Port {
			t.Errorf("%s has no port %s", s.Name, monitor.Spec.Endpoints[0].Port)
		}
	}
	if e := monitor.Spec.Endpoints[0]; selected != 1 || e.Path != "/metrics" || e.Authorization == nil || e.Authorization.Credentials == nil {
		t.Errorf("it selects %d services; %+v", selected, e)
	}
}

// The manifests are what the API knows, services select the pods and name ports that the
// pods have, and pods run as the image does, with enough time to stop.
func TestManifests(t *testing.T) {
	flag := regexp.MustCompile(`^(serve|--[a-z-]+=.+)$`)
	for name, text := range texts(t) {
		all := objects(t, text)
		set, ok := all[0].(*apps.StatefulSet)
		for _, o := range all {
			if s, is := o.(*apps.StatefulSet); is {
				set, ok = s, true
			}
		}
		monitors := slices.IndexFunc(all, func(o any) bool { _, is := o.(*monitoring.ServiceMonitor); return is })
		if !ok || len(all) != 6 && !(len(all) == 7 && monitors >= 0) {
			t.Fatalf("%s: %d objects", name, len(all))
		}
		pod := set.Spec.Template.Spec
		c := pod.Containers[0]
		ports := map[string]bool{}
		for _, p := range c.Ports {
			ports[p.Name] = true
		}
		for _, o := range all {
			if s, is := o.(*core.Service); is {
				for key, value := range s.Spec.Selector {
					if set.Spec.Template.Labels[key] != value {
						t.Errorf("%s: %s selects %s=%s", name, s.Name, key, value)
					}
				}
				for _, p := range s.Spec.Ports {
					if !ports[p.TargetPort.StrVal] {
						t.Errorf("%s: %s has no port %s", name, s.Name, p.TargetPort.StrVal)
					}
				}
			}
		}
		if *pod.SecurityContext.RunAsUser != 65532 || !*pod.SecurityContext.RunAsNonRoot || !*c.SecurityContext.ReadOnlyRootFilesystem {
			t.Errorf("%s: %v", name, pod.SecurityContext)
		}
		if *pod.TerminationGracePeriodSeconds < 10+15+9 {
			t.Errorf("%s: %d s are too few for a stop", name, *pod.TerminationGracePeriodSeconds)
		}
		if c.ReadinessProbe.HTTPGet.Path != "/readyz" || c.LivenessProbe.HTTPGet.Path != "/livez" || *pod.EnableServiceLinks {
			t.Errorf("%s: probes or service links", name)
		}
		for _, a := range c.Args {
			if !flag.MatchString(a) {
				t.Errorf("%s: the argument %q", name, a)
			}
		}
		if !strings.Contains(strings.Join(c.Args, " "), "--stop-delay=10s") {
			t.Errorf("%s: no stop-delay: %q", name, c.Args)
		}
	}
}

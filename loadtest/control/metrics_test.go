package control

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestMetrics(t *testing.T) {
	body := "# HELP a ...\n# TYPE a counter\na{x=\"1 {\"} 3\na{x=\"2\"} 4\nb 1.5e+06\n\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(body)) }))
	defer server.Close()
	c := New(server.URL, "", 1)
	defer c.Close()
	got, err := c.Metrics(t.Context())
	want := map[string]float64{"a": 7, `a{x="1 {"}`: 3, `a{x="2"}`: 4, "b": 1.5e6}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := c.Metric(t.Context(), "c"); err == nil {
		t.Error("a metric that is not there was found")
	}
	body = "b nonsense\n"
	if _, err := c.Metrics(t.Context()); err == nil {
		t.Error("nonsense was read")
	}
}

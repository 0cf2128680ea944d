package e2e

import (
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// loaded are the addresses that a page has loaded something from, but for itself.
func (p *page) loaded() string {
	p.t.Helper()
	return p.eval(`performance.getEntriesByType("resource").map((r) => r.name).join(" ")`)
}

// The reference of the API is a page of the admin port: it shows each operation, loads
// nothing from elsewhere, and does nothing that its policy forbids. Who does not open it
// does not load its viewer.
func TestAdminDocs(t *testing.T) {
	t.Parallel()
	url := "http://" + wstest.FreeAddr(t) + "/"
	g := wstest.Start(t, "--admin", strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/"))
	needPage(t, url)
	p := watched(t, url)
	p.sees("h1", "Overview")
	if got := p.loaded(); strings.Contains(got, "docs.") {
		t.Errorf("the page loads %s", got)
	}
	p.run(`document.querySelector("nav a[href='/docs']").click()`)
	for path := range g.OK("GET", "/v1/openapi.json", nil)["paths"].(map[string]any) {
		p.sees("#reference", path)
	}
	p.screenshot("docs-list")
	p.sees("[id$='-push'] .opblock-summary", "POST")
	p.run(`document.querySelector("[id$='-push'] .opblock-summary-control").click()`)
	p.sees("[id$='-push'] .opblock-body", "Request body", "application/json", "Responses", "no_target")
	p.screenshot("docs")
	for _, from := range strings.Fields(p.loaded()) {
		if !strings.HasPrefix(from, url) && !strings.HasPrefix(from, "data:") {
			t.Errorf("it loads %s", from)
		}
	}
	if got := p.eval("JSON.stringify(window.wrong)"); got != "[]" {
		t.Errorf("in the page: %s", got)
	}
	axe := readAxe(t)
	p.accessible(axe, "the reference")
	p.emulates(390, 800, "dark")
	p.screenshot("docs-phone-dark")
	p.narrow("the reference on a phone")
	p.accessible(axe, "the reference on a phone in the dark")
}

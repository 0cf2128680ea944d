package e2e

import (
	"strings"
	"testing"

	"castgate/internal/wstest"
)

// The page of one node of a cluster shows all nodes, finds the clients of the others and
// does to them what is asked, tells why they ended and on which node, and says which node
// did not answer.
func TestAdminOfACluster(t *testing.T) {
	t.Parallel()
	first, shared := wstest.StartCluster(t, 1, "--cluster-lease=30s") // a stopped node stays a member
	addr := wstest.FreeAddr(t)
	second := wstest.Start(t, append([]string{"--node=2", "--cluster-listen=" + wstest.FreeAddr(t), "--admin=" + addr}, shared...)...)
	wstest.AwaitWhole(first[0], second)
	url := "http://" + addr + "/"
	needPage(t, url)
	axe := readAxe(t)

	c, gone := first[0].Dial(t), first[0].Dial(t)
	first[0].Bind(c.ID, "ann", "room")
	first[0].Bind(gone.ID, "bob")
	p := watched(t, url)
	table := "[aria-label='Nodes of the cluster']"
	p.sees(table, "self", "member", first[0].ControlAddr, second.ControlAddr)
	p.sees("main", "Nodes of the cluster", "node 2", "No client is connected to this node")
	p.fits("overview of a cluster", axe, "cluster")

	p.goTo("#/tail")
	p.sees("main .note", "Of this node only")
	p.goTo("#/search?uid=ann")
	p.sees("#found", c.ID)
	p.goTo("#/client?id=" + c.ID)
	p.sees("#facts", "ann", "room")
	p.types("#push-text", "from the other node")
	p.sees("#push-result", "matched 1, written 1")
	c.Expect("from the other node")
	p.goTo("#/client?id=" + gone.ID)
	p.sees("#facts", "bob")
	p.types("#kick-reason", "enough")
	p.sees("#explained", "kicked", "node 1")
	p.fits("an end on another node", axe, "cluster-explained")

	goOn := pause(t, first[0])
	p.goTo("#/search?group=room")
	p.sees("main .note", "did not answer: 1")
	p.goTo("#/search?uid=bob")
	p.sees("#search-state", "Nobody is connected to the nodes that answered with the uid bob")
	p.sees("main .error", "Not complete: node 1 did not answer")
	p.fits("a node that does not answer", axe, "cluster-incomplete")
	goOn()
	wstest.AwaitWhole(first[0], second)
	wstest.Await(t, func() string { // a link that was silent for long begins anew: a user searches again
		p.goTo("#/tail")
		p.sees("main .note", "Of this node only")
		p.goTo("#/search?uid=ann")
		p.sees("#search-state", "connected")
		if found := p.eval("document.querySelector('#found')?.textContent"); !strings.Contains(found, c.ID) {
			return "found: " + found + "; " + p.eval("document.querySelector('main').textContent")
		}
		return ""
	})
	if got := p.eval("JSON.stringify(window.wrong)"); strings.Contains(got, "policy") {
		t.Errorf("in the page: %s", got)
	}
}

// fits checks a view with axe and on a phone's width, and makes a picture of it.
func (p *page) fits(view, axe, picture string) {
	p.t.Helper()
	p.emulates(1100, 800, "light")
	p.accessible(axe, view)
	p.screenshot(picture)
	p.emulates(390, 800, "dark")
	p.narrow(view)
	p.accessible(axe, view+" on a phone in the dark")
	p.screenshot(picture + "-phone-dark")
	p.emulates(1100, 800, "light")
}

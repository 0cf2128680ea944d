// Command grafana writes the dashboard castgate.json for Grafana. Each query is checked
// against docs/metrics.md, which is what the program says: a dashboard cannot name a
// metric that there is not.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "grafana:", err)
		os.Exit(1)
	}
}

// write writes the dashboard into the folder grafana of deploy.
func write(deploy string) error {
	known, err := metrics(filepath.Join(deploy, "..", "docs", "metrics.md"))
	if err != nil {
		return err
	}
	text, err := generate(known)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(deploy, "grafana", "castgate.json"), text, 0o644)
}

// generate is the dashboard as JSON.
func generate(known map[string]string) ([]byte, error) {
	b := dashboard.NewDashboardBuilder("castgate").Uid("castgate").Tags([]string{"castgate"}).
		Description("Clients, pushes and the control API of castgate.").
		Readonly().Refresh("30s").Time("now-1h", "now").Timezone("browser").
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Type("prometheus").Label("Prometheus")).
		WithVariable(dashboard.NewQueryVariableBuilder("instance").Label("Instance").
			Query(dashboard.StringOrMap{String: cog.ToPtr("label_values(castgate_build_info, instance)")}).
			Datasource(source()).Multi(true).IncludeAll(true).AllValue(".*").
			Refresh(dashboard.VariableRefreshOnTimeRangeChanged))
	for _, r := range rows {
		b.WithRow(dashboard.NewRowBuilder(r.title))
		for _, p := range r.panels {
			panel, err := p.build(known)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.title, err)
			}
			b.WithPanel(panel)
		}
	}
	d, err := b.Build()
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(d, "", "  ")
	return append(text, '\n'), err
}

// source is the data source that the reader chooses.
func source() common.DataSourceRef {
	return common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("${datasource}")}
}

// build makes a panel of lines.
func (p *panel) build(known map[string]string) (*timeseries.PanelBuilder, error) {
	b := timeseries.NewPanelBuilder().Title(p.title).Description(p.help).Unit(p.unit).Min(0).
		Datasource(source()).Height(8).Span(8).FillOpacity(10).ShowPoints(common.VisibilityModeNever).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).Placement(common.LegendPlacementBottom).DisplayMode(common.LegendDisplayModeList))
	for _, q := range p.queries {
		if err := check(q.expr, known); err != nil {
			return nil, err
		}
		b.WithTarget(prometheus.NewDataqueryBuilder().Expr(q.expr).LegendFormat(q.legend).Datasource(source()))
	}
	return b, nil
}

// Package dashboards builds the Grafana dashboards and the objectives' Prometheus rules that are committed
// beside it. The JSON under boards, rules/objectives.yml, boards/.lint and the marked sections of README.md
// are made from this code by
//
//	go run ./dashboards/generate
//
// and a test fails when they differ from it. README.md says what each panel answers and what to do about an
// alert.
package dashboards

//go:generate go run ./generate -into .

import (
	"encoding/json"
	"fmt"
	"hash/crc32"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// Dashboard is Grafana's classic dashboard: file provisioning and every linter read it, and not yet
// all of them its successor.
//
//lint:ignore SA1019 see above
type Dashboard = dashboard.Dashboard

// builder makes a Dashboard.
//
//lint:ignore SA1019 see Dashboard
type builder = dashboard.DashboardBuilder

// source is the reader's own Prometheus: no board names the uid of one Grafana.
var source = common.DataSourceRef{Type: cog.ToPtr("prometheus"), Uid: cog.ToPtr("$datasource")}

// Every selector of a panel contains one of these. A recorded series has no instance, so that a matcher
// which requires a character in it would find nothing.
const (
	here     = `job=~"$job", instance=~"$instance"`
	recorded = `job=~"$job"`
)

// tag is on every board: each board links to all boards that have it.
const tag = "inmail"

// Board is one dashboard: the name of its file without .json, and the function that builds it.
type Board struct {
	File  string
	Build func() (Dashboard, error)
}

// All returns the boards in the order in which they are listed.
func All() []Board {
	return []Board{
		{File: "outreach", Build: Outreach},
		{File: "delivery", Build: Delivery},
		{File: "salesforce", Build: Salesforce},
		{File: "reputation", Build: Reputation},
	}
}

// JSON returns b as it is committed: indented, with a newline at the end.
func (b Board) JSON() ([]byte, error) {
	built, err := b.Build()
	if err != nil {
		return nil, fmt.Errorf("build board %s: %w", b.File, err)
	}
	text, err := json.MarshalIndent(built, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write board %s: %w", b.File, err)
	}
	return append(text, '\n'), nil
}

// newBoard starts a board. jobs is a selector, in braces, of metrics that exist wherever the board is
// useful; the reader can choose among the jobs and instances of these metrics.
func newBoard(file, title, description, jobs string) *builder {
	within := fmt.Sprintf(`%s, job=~"$job"}`, jobs[:len(jobs)-1])
	//lint:ignore SA1019 see Dashboard
	return dashboard.NewDashboardBuilder("InMail / "+title).Uid("inmail-"+file).Description(description).
		Tags([]string{tag}).Readonly().Timezone("utc").Time("now-6h", "now").Refresh("1m").
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus")).
		WithVariable(labelVariable("job", "Job", fmt.Sprintf("label_values(%s, job)", jobs))).
		WithVariable(labelVariable("instance", "Instance", fmt.Sprintf("label_values(%s, instance)", within))).
		Link(dashboard.NewDashboardLinkBuilder("InMail").Type(dashboard.DashboardLinkTypeDashboards).
			Tags([]string{tag}).AsDropdown(false).IncludeVars(true).KeepTime(true)).
		Annotation(dashboard.NewAnnotationQueryBuilder().Name("Restarts").Enable(true).IconColor("orange").
			Datasource(source).
			Expr(ours("changes(" + selector("process_start_time_seconds") + "[$__rate_interval]) > 0")).
			TitleFormat("Restart").TextFormat("{{instance}}")).
		Annotation(dashboard.NewAnnotationQueryBuilder().Name("Alerts").Enable(true).IconColor("red").
			Datasource(source).Expr("job_alertname_severity:alerts_calling:max{" + recorded + "}").
			TitleFormat("{{alertname}}").TextFormat("{{severity}}, {{job}}"))
}

func labelVariable(name, title, query string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(name).Label(title).Datasource(source).
		Query(dashboard.StringOrMap{String: &query}).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc).
		Multi(true).IncludeAll(true).AllValue(".+").
		Current(dashboard.VariableOption{
			Text:  dashboard.StringOrArrayOfString{String: cog.ToPtr("All")},
			Value: dashboard.StringOrArrayOfString{String: cog.ToPtr("$__all")},
		})
}

// finish builds b and sets what its builder cannot: panel ids that stay the same when panels move, so that
// links to panels keep working, and links that are shown instead of hidden in a menu.
func finish(b *builder) (Dashboard, error) {
	built, err := b.Build()
	if err != nil {
		return built, err
	}
	for i := range built.Links {
		built.Links[i].Placement = nil
	}
	for i := range built.Annotations.List {
		built.Annotations.List[i].Placement = nil
	}
	for _, p := range built.Panels {
		switch {
		case p.RowPanel != nil:
			p.RowPanel.Id = panelID("row " + *p.RowPanel.Title)
			for i := range p.RowPanel.Panels {
				p.RowPanel.Panels[i].Id = cog.ToPtr(panelID(*p.RowPanel.Panels[i].Title))
			}
		case p.Panel != nil:
			p.Panel.Id = cog.ToPtr(panelID(*p.Panel.Title))
		}
	}
	return built, nil
}

// eachPanel calls do with every row and panel of a board in their order, also those in rows that are folded.
// One of the two is nil.
func eachPanel(b Dashboard, do func(row *dashboard.RowPanel, panel *dashboard.Panel)) {
	for _, p := range b.Panels {
		do(p.RowPanel, p.Panel)
		if p.RowPanel == nil {
			continue
		}
		for i := range p.RowPanel.Panels {
			do(nil, &p.RowPanel.Panels[i])
		}
	}
}

// panelID returns a panel's id, computed from its title. A test checks that ids are unique in a board.
func panelID(title string) uint32 { return crc32.ChecksumIEEE([]byte(title))%99991 + 1 }

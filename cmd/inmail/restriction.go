package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"inmail/domain/mailroom"
)

func restrictionCommand(o *options) *cobra.Command {
	return commandGroup(&cobra.Command{
		Use:   "restriction",
		Short: "Explain, undo and replay restrictions and refusals of a sender",
		Example: "  inmail restriction list lena.hart\n" +
			"  inmail restriction replay ID --set volume_hour=30\n  inmail restriction undo ID",
		GroupID: operatorGroup,
	}, restrictionListCommand(o), restrictionDecisionsCommand(o), restrictionUndoCommand(o),
		restrictionReplayCommand(o))
}

func restrictionListCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list MEMBER",
		Short:   "List the restrictions of a member, and the evidence for each",
		Example: "  inmail restriction list lena.hart",
		Args:    exactly(1),
	}
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		answer, err := c.get(cmd.Context(), "/v1/restrictions", url.Values{"member": {args[0]}})
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, restrictionsAnswer.text)
	})
}

type restrictionsAnswer struct {
	Items []struct {
		ID        string
		Trigger   string
		Value     float64
		Limit     float64
		Step      int
		StartedAt time.Time `json:"started_at"`
		Until     time.Time
		UndoneAt  time.Time `json:"undone_at"`
		Undo      struct{ Reason string }
		Decision  struct {
			Version    string
			Sends      int
			Strikes    int
			Reporters  int
			Deliveries int
			ShareLow   float64 `json:"report_share_low"`
			Similar    int
		}
	}
}

func (a restrictionsAnswer) text() string {
	if len(a.Items) == 0 {
		return "never restricted\n"
	}
	t := newTable("ID", "BEGAN", "UNTIL", "STEP", "TRIGGER", "MEASURED", "LIMIT", "UNDONE", "EVIDENCE")
	for _, r := range a.Items {
		d := r.Decision
		evidence := ""
		switch {
		case d.Version == "":
		case r.Trigger == "reports":
			evidence = fmt.Sprintf("%d reporters of %d deliveries, at least %.1f %% of them by the interval",
				d.Reporters, d.Deliveries, 100*d.ShareLow)
		case r.Trigger == "strikes":
			evidence = fmt.Sprintf("%d strikes", d.Strikes)
		case r.Trigger == "similar_day":
			evidence = fmt.Sprintf("%d sends, %d bodies like this one", d.Sends, d.Similar)
		default:
			evidence = fmt.Sprintf("%d sends", d.Sends)
		}
		t.row(r.ID, when(r.StartedAt), when(r.Until), strconv.Itoa(r.Step), r.Trigger, fmt.Sprintf("%g", r.Value),
			fmt.Sprintf("%g", r.Limit), joined(when(r.UndoneAt), r.Undo.Reason), joined(evidence, d.Version))
	}
	return t.String()
}

// joined joins the parts that are not empty with commas.
func joined(parts ...string) string {
	var there []string
	for _, p := range parts {
		if p != "" {
			there = append(there, p)
		}
	}
	return strings.Join(there, ", ")
}

func restrictionDecisionsCommand(o *options) *cobra.Command {
	var p paging
	cmd := &cobra.Command{
		Use:   "decisions MEMBER",
		Short: "List the decisions on a member's sends, newest first, with all true codes",
		Long: `List the decisions on a member's sends, newest first, with all true codes: refusals, restrictions and
undos. A refusal for spam_content is listed with its score and reasons; the refused text is stored nowhere.
Refusals of one minute with the same codes are one line, which describes the first, with their number and the time
of the last.`,
		Example: "  inmail restriction decisions lena.hart",
		Args:    exactly(1),
	}
	p.flags(cmd)
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		answer, err := c.list(cmd.Context(), "/v1/audit", url.Values{"sender": {args[0]}, "kind": {mailroom.Decided}}, p)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, decisionsAnswer.text)
	})
}

type decisionsAnswer struct {
	Items []struct {
		ID        string
		At        time.Time
		Kind      string
		Recipient string
		Refusals  []string
		Count     int
		LastAt    time.Time `json:"last_at"`
		Detail    struct {
			Trigger any // a name in an undo, an object with value and limit in a restriction
			Content struct {
				Bar     float64
				Verdict struct {
					Score   float64
					Version string
					Reasons []struct{ Code string }
				}
			}
		}
	}
	NextCursor *string `json:"next_cursor"`
}

func (a decisionsAnswer) text() string {
	if len(a.Items) == 0 {
		return "no decisions\n" + moreOf(a.NextCursor)
	}
	t := newTable("ID", "AT", "KIND", "TO", "CODES", "COUNT", "WHY")
	for _, e := range a.Items {
		why := ""
		if trigger, whole := e.Detail.Trigger.(map[string]any); whole {
			why = fmt.Sprintf("%v is %v, limit %v", trigger["name"], trigger["value"], trigger["limit"])
		} else if name, named := e.Detail.Trigger.(string); named {
			why = name
		}
		if v := e.Detail.Content.Verdict; v.Version != "" {
			var codes []string
			for _, r := range v.Reasons {
				codes = append(codes, r.Code)
			}
			why = fmt.Sprintf("score %.2f, bar %g: %s, %s", v.Score, e.Detail.Content.Bar, strings.Join(codes, " "),
				v.Version)
		}
		count := strconv.Itoa(e.Count)
		if e.Count > 1 {
			count += ", last " + e.LastAt.Local().Format("15:04:05")
		}
		t.row(e.ID, when(e.At), e.Kind, e.Recipient, strings.Join(e.Refusals, " "), count, why)
	}
	return t.String() + moreOf(a.NextCursor)
}

func restrictionUndoCommand(o *options) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "undo ID",
		Short: "Take a restriction back",
		Long: `Take a restriction back. It ends at once and no longer counts on the ladder, and its evidence no
longer counts: after a restriction by sends all sends until it began, after one by strikes all strikes, after
one by reports all reports. What comes later is counted from zero.`,
		Example: "  inmail restriction undo 019abf5e-8c00-7a31-9c55-0d6a3f6b7e21 --reason 'agreed with the recipients'",
		Args:    exactly(1),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit; at most 200 characters")
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		body := map[string]string{}
		if reason != "" {
			body["reason"] = reason
		}
		answer, err := c.post(cmd.Context(), "/v1/restrictions/"+url.PathEscape(args[0])+"/undo", body)
		if err != nil {
			return err
		}
		return o.print(cmd.OutOrStdout(), answer, "undone; the sender may send again\n")
	})
}

func restrictionReplayCommand(o *options) *cobra.Command {
	var settings map[string]string
	cmd := &cobra.Command{
		Use:   "replay ID",
		Short: "Decide again under other settings, and change nothing",
		Long: `Decide again under other settings, and change nothing. ID is that of a restriction (inmail
restriction list), or of a send that was refused for spam_content (inmail restriction decisions).

A restriction is decided again from the evidence that was stored with it, under volume_hour, volume_day,
strikes, similar_day, regular_gaps, burst_minute, reporters_min and report_share. A refusal for spam_content is
decided again from its score, under refuse_score: its text is stored nowhere, so other words or learning cannot
be tried. Settings that are not given are those of the time of the decision.`,
		Example: "  inmail restriction replay 019abf5e-8c00-7a31-9c55-0d6a3f6b7e21 " +
			"--set volume_hour=30 --set volume_day=60",
		Args: exactly(1),
	}
	cmd.Flags().StringToStringVar(&settings, "set", nil, "a setting, `name=number`; may be repeated")
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		body := map[string]float64{}
		for name, value := range settings {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return usageError{fmt.Errorf("--set %s: %q is no number", name, value)}
			}
			body[name] = n
		}
		answer, err := c.post(cmd.Context(), "/v1/audit/"+url.PathEscape(args[0])+"/replay", body)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, replayAnswer.text)
	})
}

type replayAnswer struct {
	At      time.Time
	Kind    string
	Sender  string
	Version string
	Was     measured
	Would   *measured
	Whole   bool
}

type measured struct {
	Trigger string
	Value   float64
	Limit   float64
}

func (m measured) text() string {
	return fmt.Sprintf("%s, %s of at most %s", m.Trigger, short(m.Value), short(m.Limit))
}

// short formats a number with four significant digits.
func short(n float64) string { return strconv.FormatFloat(n, 'g', 4, 64) }

func (a replayAnswer) text() string {
	t := newTable()
	t.row("decided", when(a.At)+", "+a.Kind+" of "+a.Sender+", "+a.Version)
	t.row("was", a.Was.text())
	would := "it would have passed"
	if a.Would != nil {
		would = a.Would.text()
	}
	if !a.Whole {
		would += "; not certain: more sends may have counted than were stored"
	}
	t.row("would be", would)
	return t.String()
}

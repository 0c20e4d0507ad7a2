package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"inmail/config"
	"inmail/domain"
)

// guest is somebody whom serve prints a sign-in link for.
type guest struct {
	who    string
	member domain.MemberID // empty: the operator
	path   string          // the page to begin with
}

// guests are those whom serve prints links for: the operator, and with the sample a seller, a recipient and a
// lead of it.
func guests(sample bool, now time.Time) []guest {
	operator := guest{"operator", "", "/works"}
	if !sample {
		return []guest{operator}
	}
	recipient := config.NewSample(now).Recipient(now)
	return []guest{{"seller", "lena.hart", "/sent"}, {"recipient", recipient, "/inbox"},
		{"lead", "ruth.adeyemi", "/figures"}, operator}
}

// printLinks prints one-time links to the pages in embedded mode, where whoever reads the terminal is the
// operator. A link is stored, so there are none while the record is held.
func (a *app) printLinks(ctx context.Context, out io.Writer, sample, asJSON bool) error {
	if a.record.Held() != nil {
		return nil
	}
	if !a.settings.Embedded() || !a.settings.Web.Pages || a.apiAddress == "" || asJSON || ctx.Err() != nil {
		return nil
	}
	key, err := a.service.Authenticate(ctx, a.operatorKey)
	if err != nil {
		return fmt.Errorf("make the links to the pages: %w", err)
	}
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "\npages: each link signs in once, within a day (a new one: inmail login)")
	for _, g := range guests(sample, time.Now().UTC()) {
		token, _, err := a.service.MakeSignInLink(ctx, key, g.member)
		if err != nil {
			return fmt.Errorf("make the link of %s: %w", cmp.Or(string(g.member), "the operator"), err)
		}
		fmt.Fprintf(t, "  %s\t%s\thttp://%s/sign-in/%s?to=%s\n", g.who, g.member, a.apiAddress, token, g.path)
	}
	return t.Flush()
}

type loginAnswer struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

func loginCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Make a link that signs somebody in to the pages, once",
		Long: `Make a link that signs somebody in to the pages, once.

With --member it signs in that member; with an operator key and no member, the operator. The session lasts
12 hours and ends with the key.`,
		Example: "  inmail login --member lena.hart\n  inmail login",
		Args:    exactly(0),
	}
	return o.asMember(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		c.forMember = false // an operator key may sign in the operator
		answer, err := c.post(cmd.Context(), "/v1/sign-in-links", struct{}{})
		if err != nil {
			return err
		}
		var made struct {
			Path      string
			ExpiresAt time.Time `json:"expires_at"`
		}
		if err := json.Unmarshal(answer, &made); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		link := loginAnswer{c.server + made.Path, made.ExpiresAt}
		return o.print(cmd.OutOrStdout(), link, link.URL+"\n")
	})
}

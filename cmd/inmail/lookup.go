package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"inmail/domain"
)

// foundMember is a member in a list of the API; an operator gets more of it.
type foundMember struct {
	ID       string
	Name     string
	Headline string
	Company  string
	Plan     string
}

func memberFindCommand(o *options) *cobra.Command {
	var company string
	var restricted bool
	var p paging
	cmd := &cobra.Command{
		Use:   "find [WORDS]",
		Short: "Find members by the words of their name, headline and company",
		Long: fmt.Sprintf(`Find members by the words of their name, headline and company, listed by name. Each of WORDS, %d
characters or more together, begins a word of the member; case and accents do not count. An operator finds all
members, a member visible profiles.`, domain.MinQuery),
		Example: "  inmail member find petra park\n  inmail member find --company fernwood\n" +
			"  inmail member find --restricted",
	}
	cmd.Flags().StringVar(&company, "company", "", "`words` of the company alone")
	cmd.Flags().BoolVar(&restricted, "restricted", false, "only members who are restricted now")
	p.flags(cmd)
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		for _, word := range args {
			if err := checkUTF8("the name", []byte(word)); err != nil {
				return err
			}
		}
		query := url.Values{"q": {strings.Join(args, " ")}, "company": {company}}
		if restricted {
			query.Set("restricted", "true")
		}
		answer, err := c.list(cmd.Context(), "/v1/members", query, p)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, func(a foundMembers) string {
			t := newTable("ID", "NAME", "HEADLINE", "COMPANY", "PLAN")
			for _, m := range a.Items {
				t.row(m.ID, m.Name, m.Headline, m.Company, m.Plan)
			}
			return t.String() + moreOf(a.NextCursor)
		})
	})
}

type foundMembers struct {
	Items      []foundMember
	NextCursor *string `json:"next_cursor"`
}

// unclear is the error of a name that not exactly one member has.
type unclear struct {
	name    string
	fit     []foundMember // some of those who fit
	further bool          // there are more
}

// shownCandidates is how many members are listed for a name that several have.
const shownCandidates = 5

// Error lists who fits and says what to do.
func (u *unclear) Error() string {
	if len(u.fit) == 0 {
		return fmt.Sprintf("no member whose profile you see fits %q; look with inmail member find, or write the id", u.name)
	}
	var fit []string
	for _, m := range u.fit[:min(len(u.fit), shownCandidates)] {
		about := plain(m.Name)
		if m.Company != "" {
			about += ", " + plain(m.Company)
		}
		fit = append(fit, fmt.Sprintf("%s (%s)", plain(m.ID), about))
	}
	more := ""
	if u.further || len(u.fit) > shownCandidates {
		more = " and others"
	}
	return fmt.Sprintf("several members fit %q: %s%s; write the id of one", u.name, strings.Join(fit, "; "), more)
}

// memberNamed returns the one member who has a name, or else the one whom its words fit. Its error is
// *unclear when there is none or several.
func (c *remote) memberNamed(ctx context.Context, name, company string) (foundMember, error) {
	if _, err := domain.QueryWords(name); err != nil {
		return foundMember{}, &unclear{name: name}
	}
	query := url.Values{"q": {name}, "limit": {fmt.Sprint(maxPage)}}
	if _, err := domain.QueryWords(company); err == nil {
		query.Set("company", company)
	}
	answer, err := c.get(ctx, "/v1/members", query)
	if err != nil {
		return foundMember{}, err
	}
	var found foundMembers
	if err := json.Unmarshal(answer, &found); err != nil {
		return foundMember{}, fmt.Errorf("read the answer: %w", err)
	}
	var exact []foundMember
	for _, m := range found.Items {
		if domain.NameKey(m.Name) == domain.NameKey(name) {
			exact = append(exact, m)
		}
	}
	further := found.NextCursor != nil
	switch {
	case len(exact) == 1 && !further:
		return exact[0], nil
	case len(exact) == 0 && len(found.Items) == 1:
		return found.Items[0], nil
	case len(exact) > 1:
		found.Items = exact
	}
	return foundMember{}, &unclear{name, found.Items, further}
}

// recipientOf returns the recipient that --to gives: an id alone, or the one member who has a name.
func (c *remote) recipientOf(ctx context.Context, to string) (foundMember, error) {
	if domain.MemberID(to).Validate() == nil {
		return foundMember{ID: to}, nil
	}
	m, err := c.memberNamed(ctx, to, "")
	if errors.As(err, new(*unclear)) {
		err = usageError{fmt.Errorf("--to: %w", err)}
	}
	return m, err
}

// lookUp finds the ids of the recipients that are given by name, several at once. What is unclear stays a
// text that is no id, for which the server's answer has an item, and keeps why.
func (c *remote) lookUp(ctx context.Context, list []recipient) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next, workers = make(chan *recipient), sync.WaitGroup{}
	for range 4 {
		workers.Go(func() {
			for r := range next {
				m, err := c.memberNamed(ctx, r.name, r.company)
				if why := (*unclear)(nil); errors.As(err, &why) {
					r.id, r.unclear = strings.TrimSpace(r.name+", "+r.company), why
					continue
				}
				if err != nil {
					cancel(err)
				}
				r.id = m.ID
			}
		})
	}
	for i := range list {
		if list[i].id == "" && list[i].name != "" && ctx.Err() == nil {
			next <- &list[i]
		}
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}

// withReasons puts the reasons into an answer of a preflight why the recipients of names that are unclear
// have no id.
func withReasons(answer json.RawMessage, list []recipient) (json.RawMessage, error) {
	unclear := false
	for _, r := range list {
		unclear = unclear || r.unclear != nil
	}
	if !unclear {
		return answer, nil
	}
	var whole map[string]any
	if err := json.Unmarshal(answer, &whole); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	items, _ := whole["items"].([]any)
	for _, item := range items {
		fields, _ := item.(map[string]any)
		place, _ := fields["place"].(float64)
		refusals, _ := fields["refusals"].([]any)
		if place < 1 || int(place) > len(list) || len(refusals) == 0 {
			continue
		}
		if why := list[int(place)-1].unclear; why != nil {
			if refusal, is := refusals[0].(map[string]any); is {
				refusal["detail"] = why.Error()
			}
		}
	}
	return jsonOf(whole)
}

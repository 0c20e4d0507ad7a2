package web

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/spam"
)

// meView is what a member may send and receive.
type meView struct {
	Person     personView
	About      string
	Plan       string
	Credits    creditsView
	Sender     bool   // the account sends
	Restricted string // the restriction in force; empty: there is none
	Limits     []limitView
	Warnings   []string
	Accepts    bool
	Visible    bool
	MaxWeek    int // InMails in 7 days that it wants at most; 0: as the policy says (R65)
}

// limitView is how near one limit is.
type limitView struct {
	Text        string
	Value, Most string
	Share       int // 0..100
	Eases       *moment
	Near        bool
}

func (v *visit) showMe() error {
	m, credits, err := v.site.Service.Credits(v.ctx, v.me())
	if err != nil {
		return err
	}
	standing, err := v.site.Service.Standing(v.ctx, v.me())
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, say("Me"), meOf(m, credits, standing, v.now()))
}

func meOf(m domain.Member, c domain.Credits, s spam.Standing, now time.Time) meView {
	view := meView{Person: personView{ID: m.ID, Name: m.Name, Initials: initials(m.Name)}, About: m.Headline,
		Plan: spaced(m.Plan), Credits: creditsOf(c, now), Sender: c.Allowance > 0 || c.Used > 0,
		Accepts: m.AcceptsInMail, Visible: m.ProfileVisible, MaxWeek: m.MaxWeek}
	if s.Restricted != nil {
		view.Restricted = say("Sending is paused for you until %s, because of too much %s. It resumes by itself.",
			dayAndTime(s.Restricted.Until, now), triggerWord(s.Restricted.Trigger))
	}
	for _, n := range s.Triggers {
		l := limitView{Text: triggerWord(n.Trigger), Value: number(n.Value), Most: number(n.Limit)}
		if n.Limit > 0 {
			l.Share = min(100, int(100*n.Value/n.Limit))
		}
		if l.Near = l.Share >= 80; !n.EasesAt.IsZero() && n.Value > 0 {
			eases := momentOf(n.EasesAt, now)
			l.Eases = &eases
		}
		view.Limits = append(view.Limits, l)
	}
	for _, w := range s.Warnings {
		view.Warnings = append(view.Warnings, sentence(w.Text))
	}
	return view
}

// number writes a count as a whole number, and anything else with one place.
func number(f float64) string {
	if f == float64(int(f)) {
		return thousands(int(f))
	}
	return fmt.Sprintf("%.1f", f)
}

func (v *visit) changeMe() error {
	f := v.r.PostForm
	most := 0
	if text := strings.TrimSpace(f.Get("max_week")); text != "" {
		var err error
		if most, err = strconv.Atoi(text); err != nil {
			return refuse(domain.BadRequest, say("How many InMails a week is a number, or left out for no limit of your own."))
		}
	}
	_, err := v.site.Service.ChangeMember(v.ctx, v.me(), func(m *domain.Member) error {
		m.AcceptsInMail, m.ProfileVisible = f.Get("accepts") != "", f.Get("visible") != ""
		m.MaxWeek = most
		return nil
	})
	if err != nil {
		return err
	}
	return v.goTo("/me?done=saved")
}

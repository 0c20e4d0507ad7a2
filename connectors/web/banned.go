package web

import (
	"net/http"
	"strings"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// bannedPage is the list of those to whom nobody may send (R17).
type bannedPage struct {
	Items []banItem
	More  string
	Error string
	Form  banForm
}

type banForm struct{ Kind, Value, Reason string }

type banItem struct {
	Kind, Value, Reason, By string
	At                      moment
}

// bansShown is how many entries a page has.
const bansShown = 50

func (v *visit) showBanned() error {
	return v.showBans(http.StatusOK, bannedPage{Form: banForm{Kind: string(domain.BanMember)}})
}

func (v *visit) showBans(status int, page bannedPage) error {
	bans, err := v.site.Service.Bans(v.ctx, mailroom.Page{Limit: bansShown + 1, After: v.after()})
	if err != nil {
		return err
	}
	for i, b := range bans {
		if i == bansShown {
			last := bans[i-1]
			page.More = "/works/banned?" + cursorOf(last.At, string(last.Kind)+":"+last.Value).Encode()
			break
		}
		page.Items = append(page.Items, banItem{string(b.Kind), b.Value, b.Reason, b.By, momentOf(b.At, v.now())})
	}
	return v.show(status, say("Banned"), page)
}

func (v *visit) ban() error {
	f := v.r.PostForm
	form := banForm{f.Get("kind"), strings.TrimSpace(f.Get("value")), strings.TrimSpace(f.Get("reason"))}
	err := v.site.Service.Ban(v.ctx, v.session.Viewer,
		domain.Ban{Kind: domain.BanKind(form.Kind), Value: form.Value, Reason: form.Reason})
	if r := domainRefusal(err); r != nil {
		return v.showBans(http.StatusUnprocessableEntity, bannedPage{Form: form, Error: refusalWords(r, v.now())})
	}
	if err != nil {
		return err
	}
	return v.goTo("/works/banned?done=banned")
}

func (v *visit) unban() error {
	f := v.r.PostForm
	if err := v.site.Service.Unban(v.ctx, v.session.Viewer, domain.BanKind(f.Get("kind")), f.Get("value")); err != nil {
		return err
	}
	return v.goTo("/works/banned?done=unbanned")
}

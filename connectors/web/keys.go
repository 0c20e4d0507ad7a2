package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// keysPage is the list of keys; of a key that was made just now, the key itself, this once.
type keysPage struct {
	Items []keyItem
	More  string
	Made  string
	Name  string // of the one that was made
	Error string
	Form  keyForm
}

type keyForm struct {
	Role, Member, Name, Days string
	ReadOnly                 bool
}

type keyItem struct {
	ID, Name, Whom string
	ReadOnly       bool
	Made           moment
	Used, Ends     *moment
	Own            bool // this session acts by it
}

// keysShown is how many keys a page has.
const keysShown = 50

func (v *visit) showKeys() error { return v.showKeyList(http.StatusOK, keysPage{}) }

func (v *visit) showKeyList(status int, page keysPage) error {
	keys, err := v.site.Service.Keys(v.ctx, mailroom.Page{Limit: keysShown + 1, After: v.after()})
	if err != nil {
		return err
	}
	for i, k := range keys {
		if i == keysShown {
			page.More = "/works/keys?" + cursorOf(keys[i-1].CreatedAt, keys[i-1].ID).Encode()
			break
		}
		page.Items = append(page.Items, keyItemOf(k, v.session.Viewer.KeyID, v.now()))
	}
	return v.show(status, say("Keys"), page)
}

func keyItemOf(k mailroom.Key, own string, now time.Time) keyItem {
	item := keyItem{ID: k.ID, Name: k.Name, Whom: string(k.Member), ReadOnly: k.ReadOnly, Made: momentOf(k.CreatedAt, now),
		Used: momentOrNil(k.LastUsedAt, now), Ends: momentOrNil(k.ExpiresAt, now), Own: k.ID == own}
	if k.Role == mailroom.RoleOperator {
		item.Whom = say("operators")
	}
	return item
}

func (v *visit) createKey() error {
	f := v.r.PostForm
	form := keyForm{Role: f.Get("role"), Member: strings.TrimSpace(f.Get("member")), Name: strings.TrimSpace(f.Get("name")),
		Days: strings.TrimSpace(f.Get("days")), ReadOnly: f.Get("read_only") != ""}
	n := mailroom.NewKey{Role: mailroom.Role(form.Role), Member: domain.MemberID(form.Member), Name: form.Name,
		ReadOnly: form.ReadOnly}
	if form.Days != "" {
		days, err := strconv.Atoi(form.Days)
		if err != nil || days < 1 || days > 3650 {
			return v.showKeyList(http.StatusUnprocessableEntity, keysPage{Form: form,
				Error: say("The number of days is 1 to 3,650, or left out for a key without an end.")})
		}
		n.ExpiresAt = v.now().AddDate(0, 0, days)
	}
	_, key, err := v.site.Service.CreateKey(v.ctx, v.session.Viewer, n)
	if r := domainRefusal(err); r != nil {
		return v.showKeyList(http.StatusUnprocessableEntity, keysPage{Form: form, Error: refusalWords(r, v.now())})
	}
	if err != nil {
		return err
	}
	return v.showKeyList(http.StatusCreated, keysPage{Made: key, Name: form.Name})
}

func (v *visit) deleteKey() error {
	if err := v.site.Service.DeleteKey(v.ctx, v.r.PostForm.Get("id")); err != nil {
		return err
	}
	return v.goTo("/works/keys?done=key-ended")
}

package web_test

import (
	"fmt"
	"strings"
	"testing"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// hostile are texts that break pages which trust them.
var hostile = []string{
	`<script>alert(1)</script>`, `"><script>alert(1)</script>`, `'><img src=x onerror=alert(1)>`, `</title><script>alert(1)</script>`,
	`</textarea><script>alert(1)</script>`, `<svg/onload=alert(1)>`, `<iframe src=javascript:alert(1)>`, `<a href="javascript:alert(1)">x</a>`,
	`javascript:alert(1)`, `{{.Session}}`, `{{template "layout" .}}`, `${7*7}`, `#{7*7}`, `<%= 7*7 %>`, `<!--`, `-->`, `<![CDATA[`, `]]>`,
	`<style>*{display:none}</style>`, `<base href=//evil.example>`, `<meta http-equiv=refresh content=0>`, `<form action=//evil.example>`,
	`<input name=key value=x>`, `" autofocus onfocus="alert(1)`, `' onmouseover='alert(1)`, "`onclick=alert(1)`", `\u003cscript\u003e`,
	`&lt;script&gt;alert(1)&lt;/script&gt;`, `&#60;script&#62;`, `%3Cscript%3E`, `<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>`,
	`<template><script>alert(1)</script></template>`, `<noscript><p title="</noscript><img src=x onerror=alert(1)>">`, `<plaintext>`, `<xmp><script>`,
	"\u202egnp.exe\u202c", "\u2066isolate\u2069", "a\u0300\u0301\u0302\u0303\u0304\u0305\u0306\u0307", strings.Repeat("W", 190), strings.Repeat("a b", 60),
	"مرحبا بالعالم", "שלום עולם <b>", "𝕳𝖊𝖑𝖑𝖔", "👩‍👩‍👧‍👦👩‍👩‍👧‍👦", "ＡＢＣ＜script＞", "\ufeffstart", "soft\u00adhyphen", "zero\u200bwidth", `'; DROP TABLE members; --`,
	`{"a":"b"}`, `[x](javascript:alert(1))`, `**bold** <b onclick=alert(1)>x</b>`,
}

// TestHostileTexts puts each text into every place that a person fills, and asks for every page that shows
// it.
func TestHostileTexts(t *testing.T) {
	if len(hostile) < 50 {
		t.Fatalf("%d texts, want 50", len(hostile))
	}
	w := newWorld(t)
	reader, seller := w.as("reader"), w.as("seller")
	allowed := map[string]bool{}
	for _, page := range []answer{reader.get("/inbox"), seller.get("/sent"), seller.get("/new?to=reader"), reader.get("/me"), seller.get("/me"),
		seller.get("/figures"), seller.post("/new/check", "to", "reader", "subject", "Plain words here", "body", "Plain **words**, *here* and ~~there~~.\n\n- a\n1. b\n\n[x](https://a.example)")} {
		for _, n := range nodes(t, page.body, "") {
			allowed[n.Data] = true
		}
	}
	for _, more := range []string{"article", "header", "details", "summary", "b", "ol", "li", "textarea", "strong", "em", "del", "small", "table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "br"} {
		allowed[more] = true
	}
	look := func(name string, a answer) {
		t.Helper()
		sound(t, a)
		for _, n := range nodes(t, a.body, "") {
			if !allowed[n.Data] {
				t.Errorf("%s has an element <%s> that is none of ours", name, n.Data)
			}
		}
		if got := nodes(t, a.body, "title"); len(got) < 1 {
			t.Errorf("%s has no title", name)
		}
		if got := len(nodes(t, a.body, "main")); got != 1 {
			t.Errorf("%s has %d main parts", name, got)
		}
	}
	for i, nasty := range hostile {
		id := domain.MemberID(fmt.Sprintf("h%d", i))
		m := domain.NewMember(id, limited(nasty, 190))
		m.Headline, m.Company, m.Plan, m.AccountType = limited(nasty, 900), limited(nasty, 900), "recruiter_50", domain.Recruiter
		w.put(m)
		w.key(string(id), mailroom.RoleMember, id)
		b := w.as(string(id))
		name := fmt.Sprintf("text %d", i)
		look(name+", me", b.get("/me"))
		look(name+", write", b.post("/new/check", "to", "reader", "subject", nasty, "body", nasty, "tags", nasty, "key", nasty))
		look(name+", to", b.post("/new/check", "to", nasty, "subject", nasty, "body", nasty))
		look(name+", new", seller.get("/new?to="+string(id)))
		look(name+", filter", seller.post("/new", "to", nasty, "subject", nasty, "body", nasty, "tags", nasty))
		a, err := one{w.svc}.Accept(t.Context(), mailroom.Send{From: id, To: "reader", Subject: nasty, Body: "Hi.\n\n" + nasty, Tags: []string{limited(nasty, 30)}})
		if err != nil {
			t.Fatal(err)
		}
		if a.Err != nil {
			continue // a rule refuses it
		}
		w.deliver()
		look(name+", inbox", reader.get("/inbox"))
		look(name+", opened", reader.get("/inbox/"+string(a.ID)))
		if again := reader.post("/inbox/"+string(a.ID)+"/reply", "body", nasty); again.status != 303 && again.status != 422 {
			t.Errorf("%s, reply: %d", name, again.status)
		}
		look(name+", conversation", reader.get("/inbox/"+string(a.ID)))
		look(name+", sent", b.get("/sent"))
		look(name+", letter", b.get("/sent/"+string(a.ID)))
	}
}

// limited cuts a text to n bytes, between characters.
func limited(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}

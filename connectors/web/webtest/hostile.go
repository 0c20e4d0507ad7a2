// Package webtest has what tests of the pages share.
package webtest

import "strings"

// Hostile are texts that break pages which trust them.
var Hostile = []string{
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

package web

import (
	"html"
	"html/template"
	"regexp"

	"inmail/domain/hosts"
)

// linkTo finds the links that richtext writes; its HTML has no other attributes of this form. The last group
// is there when richtext has put the host beside the link itself, because the text claims another.
var linkTo = regexp.MustCompile(`<a href="([^"]*)" rel="[^"]*">(.*?)</a>( <bdi>\()?`)

var element = regexp.MustCompile(`<[^>]*>`)

// letterHTML returns the safe HTML of a letter with the host beside each link, so that a reader can see where
// it leads before going there (F41).
func letterHTML(safe string) template.HTML {
	return template.HTML(linkTo.ReplaceAllStringFunc(safe, func(link string) string {
		parts := linkTo.FindStringSubmatch(link)
		text, to := html.UnescapeString(element.ReplaceAllString(parts[2], "")), html.UnescapeString(parts[1])
		host := hosts.Shown(text, to)
		if parts[3] != "" || host == "" || hosts.Compare(text, to) == hosts.Honest {
			return link
		}
		return link + " <bdi>(" + html.EscapeString(host) + ")</bdi>"
	}))
}

package oidc

import "strings"

// claims are what a provider says of a person.
type claims map[string]any

// get returns the value of a claim; nil when there is none. A name that is not there as it stands is a path
// through objects: realm_access.roles.
func (c claims) get(name string) any {
	if value, ok := c[name]; ok {
		return value
	}
	outer, inner, ok := strings.Cut(name, ".")
	if !ok {
		return nil
	}
	object, ok := c[outer].(map[string]any)
	if !ok {
		return nil
	}
	return claims(object).get(inner)
}

// texts returns the value of a claim that is a text, or the texts of one that is a list.
func (c claims) texts(name string) []string {
	switch value := c.get(name).(type) {
	case string:
		return []string{value}
	case []any:
		var all []string
		for _, item := range value {
			if text, ok := item.(string); ok {
				all = append(all, text)
			}
		}
		return all
	}
	return nil
}

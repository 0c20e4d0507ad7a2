package spam

import (
	"slices"
	"testing"
)

func codes(v Verdict) []string {
	var all []string
	for _, r := range v.Reasons {
		all = append(all, r.Code)
	}
	return all
}

func TestField(t *testing.T) {
	t.Run("F33_hosts_are_compared_by_look", func(t *testing.T) {
		for _, row := range []struct {
			body string
			want []string // the signals of links
		}{
			{"Look: [bücher.example](https://www.xn--bcher-kva.example/a)", nil},
			{"Look: [paypal.com](https://раураl.com/a)", []string{"misleading_link", "odd_link"}},
			{"Look: https://xn--bcher-kva.example", nil},
			{"Look: https://bücher.example/a and https://xn--e1afmkfd.xn--p1ai", nil},
			{"Look: [xn--bcher-kva.example](https://bücher.example)", nil},
			{"Look: [**BÜCHER.example**](<https://b%C3%BCcher.example>)", nil},
			{"Look: [paypal.com](https://paypa1.com/a)", []string{"misleading_link", "odd_link"}},
			{"Look: [apple.com](https://xn--80ak6aa92e.com)", []string{"misleading_link", "odd_link"}},
			{"Look: https://xn--80ak6aa92e.com/login", []string{"odd_link"}},
			{"Look: раураl.com/login", []string{"odd_link"}},
			{"Look: [paypal.example](https://evil.example)", []string{"misleading_link"}},
			{"Look: [pay~~pal~~.com](https://evil.example)", []string{"misleading_link"}},
			{"Look: [here](https://paypal.example@evil.example)", []string{"misleading_link"}},
			{"Look: [postfinance.ch](https://evil.example)", []string{"misleading_link"}},
			{"Look: [README.md](https://git.example/acme/README.md)", nil},
			{"Look: [careers.acme.co.uk](https://jobs.acme.co.uk)", nil},
		} {
			v := Judge(nil, "", row.body)
			var got []string
			for _, code := range codes(v) {
				if code == "misleading_link" || code == "odd_link" {
					got = append(got, code)
				}
			}
			if !slices.Equal(got, row.want) || v.Spam != (len(row.want) == 2) {
				t.Errorf("%q: %q, refused %t, want %q", row.body, got, v.Spam, row.want)
			}
		}
	})
}

package mailroom

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// TestDigestsAreOfJSON checks that what a digest is made of is written as package json writes it, because
// digests are stored (R28).
func TestDigestsAreOfJSON(t *testing.T) {
	check := func(t rapid.TB, s string) {
		want, err := json.Marshal([]any{s, []string{s, "x"}, []string(nil), []string{}})
		if err != nil {
			t.Fatal(err)
		}
		got := appendStrings(append(appendString([]byte("["), s), ','), []string{s, "x"})
		got = appendStrings(append(appendStrings(append(got, ','), nil), ','), []string{})
		if got = append(got, ']'); string(got) != string(want) {
			t.Fatalf("%q is written as\n%s, want\n%s", s, got, want)
		}
	}
	for c := range 256 {
		check(t, "a"+string([]byte{byte(c)})+"b")
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, rapid.String().Draw(t, "text"))
		check(t, string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")))
	})
	check(t, "Grüße,\n\"x\" \u2028 <b>&amp;\x7f\u2029 你好 \xe2\x80")
}

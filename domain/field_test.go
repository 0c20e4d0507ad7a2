package domain

import (
	"errors"
	"testing"
)

// TestField checks what went wrong in other products (FIELD.md).
func TestField(t *testing.T) {
	t.Run("F38_tags_are_lines", func(t *testing.T) {
		for tag, want := range map[string]string{
			"Spring\u202e 24":              "spring 24",
			"\u2066spring\u2069 \u200b 24": "spring 24",
			"pay\u200bpal":                 "paypal",
			"👩\u200d💻 jobs":                "👩\u200d💻 jobs",
		} {
			if got, err := NormalTag(tag); got != want || err != nil {
				t.Errorf("NormalTag(%q) = %q, %v, want %q", tag, got, err, want)
			}
		}
		for _, tag := range []string{"\u202e", "\u200b\u2060", "a\x1bb", "a\x07", ""} {
			if got, err := NormalTag(tag); !errors.Is(err, BadRequest) {
				t.Errorf("NormalTag(%q) = %q, %v, want a refusal", tag, got, err)
			}
		}
	})

	t.Run("F38_names_hold_no_control_characters", func(t *testing.T) {
		for _, name := range []string{"Anna\x1b[31m", "Anna\x07", "Anna\nSchmidt", "Anna\u0085", "Anna\u2028x", "\x00"} {
			if err := CheckName(name); !errors.Is(err, BadRequest) {
				t.Errorf("CheckName(%q) = %v, want a refusal", name, err)
			}
		}
		for _, name := range []string{"Anna Schmidt", "Zoë \u202eLópez", "محمد\u200f", "👩\u200d💻"} {
			if err := CheckName(name); err != nil {
				t.Errorf("CheckName(%q) = %v", name, err)
			}
		}
		m := NewMember("anna", "\u202e\u200b")
		if err := m.Validate(ShippedPlans()); !errors.Is(err, BadRequest) {
			t.Errorf("a name that nobody can see: %v", err)
		}
	})
}

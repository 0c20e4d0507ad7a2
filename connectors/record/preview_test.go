package record

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"inmail/domain"
)

// TestPreviewsAreThoseOfTheirBodies draws bodies with and without formatting: what is read of a stored
// preview, with the whole body or with its start, is what was to be stored (R30). Of a plain body and of one
// with some formatting no preview is stored.
func TestPreviewsAreThoseOfTheirBodies(t *testing.T) {
	pieces := []string{"Hello", "Maria", " ", "  ", "\n", "\n\n", "- one", "1. two", "**bold**", "_it_", "[a](https://a.example)", "é", "👩‍👩‍👧", "\u200b",
		"\u202e", "日本語の文", strings.Repeat("word ", 30), strings.Repeat(" ", 210), "https://b.example/x", "<b>", "…"}
	rapid.Check(t, func(t *rapid.T) {
		body := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(t, "pieces"), "")
		preview := domain.ReadText("", body, false).Preview()
		stored := writePreview(preview, body)
		if got := readPreview(stored, body); got != preview {
			t.Fatalf("stored as %q, read as %q, want %q", stored, got, preview)
		}
		if got := readPreview(stored, start(body)); got != preview {
			t.Fatalf("stored as %q, read from the start as %q, want %q", stored, got, preview)
		}
	})
	plain := "Hello Maria,\n\nI read what you wrote. " + strings.Repeat("It is worth a long answer. ", 20)
	formatted := "Dear Maria,\n\nwhat you wrote on **queues** stayed with me:\n\n- [a model](https://example.org/model)\n- " + plain
	linked := strings.Repeat("[so](https://example.org/a/long/way/to/go) ", 20)
	for _, row := range []struct{ what, body, want string }{
		{"a plain body", plain, plainPreview},
		{"a formatted body", formatted, formattedPreview},
		{"a body whose preview needs more than its start", linked, domain.ReadText("", linked, false).Preview()},
	} {
		if stored := writePreview(domain.ReadText("", row.body, false).Preview(), row.body); stored != row.want {
			t.Errorf("of %s %q is stored, want %q", row.what, stored, row.want)
		}
	}
}

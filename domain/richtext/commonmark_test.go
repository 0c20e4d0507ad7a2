package richtext

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
	"pgregory.net/rapid"
)

// Inline emphasis is the same in R24 and CommonMark, so markers must pair as in goldmark: nobody who knows
// Markdown is surprised.
func TestEmphasisPairsLikeCommonMark(t *testing.T) {
	piece := rapid.SampledFrom([]string{"a", "b", " ", "*", "*", "**", "***", ".", "(", "é", "\n"})
	rapid.Check(t, func(t *rapid.T) {
		// Letters at both ends exclude lists, rules and trimmed blanks, which differ.
		s := "x" + strings.Join(rapid.SliceOfN(piece, 0, 24).Draw(t, "source"), "") + "x"
		for _, line := range strings.Split(s, "\n") {
			if strings.TrimSpace(line) == "" || strings.TrimSpace(line) != line || strings.HasPrefix(line, "*") {
				return
			}
		}
		if diff := cmp.Diff(goldmarkStyles(s), ourStyles(s)); diff != "" {
			t.Fatalf("%q (-goldmark +ours):\n%s", s, diff)
		}
	})
}

// ourStyles returns each character with its styles: "ab" in bold is "a:b b:b".
func ourStyles(source string) string {
	var out strings.Builder
	for _, b := range Parse(source).blocks {
		for _, s := range b.spans {
			writeStyled(&out, s.text, s.style&bold != 0, s.style&italic != 0)
		}
	}
	return out.String()
}

func goldmarkStyles(source string) string {
	var out strings.Builder
	depth := map[int]int{}
	tree := goldmark.DefaultParser().Parse(text.NewReader([]byte(source)))
	err := ast.Walk(tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Emphasis:
			if entering {
				depth[n.Level]++
			} else {
				depth[n.Level]--
			}
		case *ast.Text:
			if entering {
				writeStyled(&out, string(n.Segment.Value([]byte(source))), depth[2] > 0, depth[1] > 0)
				if n.SoftLineBreak() || n.HardLineBreak() {
					writeStyled(&out, "\n", depth[2] > 0, depth[1] > 0)
				}
			}
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		panic(err)
	}
	return out.String()
}

func writeStyled(out *strings.Builder, s string, bold, italic bool) {
	for _, r := range s {
		out.WriteRune(r)
		if bold {
			out.WriteString(":b")
		}
		if italic {
			out.WriteString(":i")
		}
		out.WriteByte(' ')
	}
}

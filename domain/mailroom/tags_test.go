package mailroom

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inmail/domain"
)

// TestTagsByName checks which tags the metrics name: all while there are few, the most used of many, those of
// the settings before them, and that nothing is lost under other.
func TestTagsByName(t *testing.T) {
	many := map[string]int{}
	for i := range 3 * MostTags {
		many[fmt.Sprintf("tag %02d", i)] = 100 - i
	}
	for _, row := range []struct {
		name   string
		tags   map[string]int
		chosen []string
		named  []string // some of those with a name
		folded int
		other  int // InMails under other
	}{
		{"none", map[string]int{domain.NoKey: 9}, nil, nil, 0, 0},
		{"few", map[string]int{"fair": 3, "hiring": 1, domain.NoKey: 9}, nil, []string{"fair", "hiring"}, 0, 0},
		{"few, others are chosen", map[string]int{"fair": 3}, []string{"hiring"}, []string{"fair"}, 0, 0},
		{"as many as there are names", first(many, MostTags), nil, []string{"tag 00", "tag 19"}, 0, 0},
		{"one more", first(many, MostTags+1), nil, []string{"tag 00", "tag 19"}, 1, 80},
		{"the chosen come first", first(many, MostTags+1), []string{"tag 20"}, []string{"tag 20", "tag 18"}, 1, 81},
		{"other of an old record", map[string]int{"fair": 3, OtherTag: 2}, nil, []string{"fair"}, 1, 2},
		{"equally many", map[string]int{"b": 1, "a": 1}, nil, []string{"a", "b"}, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			var counts []domain.Count
			total := 0
			for tag, n := range row.tags {
				counts = append(counts, domain.Count{Key: tag, Outcome: domain.OutcomeOpened, N: n - 1},
					domain.Count{Key: tag, Outcome: domain.PendingUnopened, N: 1},
					domain.Count{Key: tag, Outcome: domain.RepliedInTime, N: 1000})
				if tag != domain.NoKey {
					total += n
				}
			}
			counts = append(counts, domain.Count{Key: "taken away", Outcome: domain.OutcomeOpened})
			var s Snapshot
			s.foldTags(counts, row.chosen)
			if len(s.Tags) > MostTags+1 || s.TagsFolded != row.folded {
				t.Errorf("%d tags have a name or are other, and %d are folded; want %d", len(s.Tags), s.TagsFolded, row.folded)
			}
			got := 0
			for _, outcomes := range s.Tags {
				for _, n := range outcomes {
					got += n
				}
			}
			for _, tag := range row.named {
				if s.Tags[tag] == nil {
					t.Errorf("%s has no name", tag)
				}
			}
			other := s.Tags[OtherTag][domain.OutcomeOpened] + s.Tags[OtherTag][domain.PendingUnopened]
			if diff := cmp.Diff([]int{total, row.other}, []int{got, other}); diff != "" {
				t.Errorf("all, and under other (-want +got):\n%s", diff)
			}
		})
	}
}

// first returns the n tags of the most InMails.
func first(tags map[string]int, n int) map[string]int {
	some := map[string]int{}
	for tag, count := range tags {
		if count > 100-n {
			some[tag] = count
		}
	}
	return some
}

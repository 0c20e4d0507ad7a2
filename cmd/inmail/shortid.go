package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// shortID is the end of an InMail's id, as tables on a terminal show it.
var shortID = regexp.MustCompile(`^[0-9a-f-]{8,35}$`)

// shortIDReach is how many InMails of each box of a member a short id is looked for among, the newest first.
const shortIDReach = 2000

// pathOf returns the path of an InMail, with its id escaped.
func pathOf(id string) string { return "/v1/inmails/" + url.PathEscape(id) }

// inmailPath returns the path of an InMail by its id, or by the end of its id: then it is the one InMail
// that the member sent or received whose id ends so.
func (c *remote) inmailPath(ctx context.Context, id string) (string, error) {
	id = strings.ToLower(id)
	if !shortID.MatchString(id) {
		return pathOf(id), nil
	}
	fit := map[string]string{} // what is about each InMail by its id
	for _, box := range []string{"/v1/sent", "/v1/inbox"} {
		if err := c.endingIn(ctx, box, id, fit); err != nil {
			return "", err
		}
	}
	ids := slices.Sorted(maps.Keys(fit))
	switch len(ids) {
	case 0:
		return "", usageError{fmt.Errorf("no InMail among the newest %d of this member's boxes has an id that ends in %s; "+
			"write the whole id", shortIDReach, id)}
	case 1:
		return pathOf(ids[0]), nil
	}
	for i, found := range ids {
		ids[i] = fmt.Sprintf("%s (%s)", found, plain(fit[found]))
	}
	return "", usageError{fmt.Errorf("several ids end in %s: %s; write more of the one", id, strings.Join(ids, "; "))}
}

// endingIn adds to fit the InMails of a box whose ids end so.
func (c *remote) endingIn(ctx context.Context, box, end string, fit map[string]string) error {
	query := url.Values{"limit": {fmt.Sprint(maxPage)}}
	for range shortIDReach / maxPage {
		answer, err := c.get(ctx, box, query)
		if err != nil {
			return err
		}
		var page struct {
			Items []struct {
				ID       string
				InMailID string `json:"inmail_id"` // of a reply: the InMail that it belongs to
				Subject  string
			}
			Next *string `json:"next_cursor"`
		}
		if err := json.Unmarshal(answer, &page); err != nil {
			return fmt.Errorf("read the list: %w", err)
		}
		for _, item := range page.Items {
			if item.InMailID != "" {
				item.ID = item.InMailID
			}
			if strings.HasSuffix(item.ID, end) {
				fit[item.ID] = item.Subject
			}
		}
		if page.Next == nil {
			return nil
		}
		query.Set("cursor", *page.Next)
	}
	return nil
}

package web

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"inmail/domain"
	"inmail/domain/advice"
	"inmail/domain/spam"
)

// say returns a sentence of the pages. The English text stands where it is used, so that code and templates
// can be read; every one of them goes through say, or t in a template.
func say(english string, args ...any) string {
	if len(args) == 0 {
		return english
	}
	return fmt.Sprintf(english, args...)
}

// doneWords say what a form has done, on the page that it leads to. The address names them by key, so that
// nobody can put words on a page by a link.
var doneWords = map[string]string{
	"signed-out":         "You are signed out.",
	"sent":               "Your InMail is on its way. What becomes of it is shown here.",
	"replied":            "Your reply was sent.",
	"reported":           "Thank you, the report was received. The sender does not learn who reported.",
	"blocked":            "Blocked. This person can no longer write to you. An operator can undo it.",
	"tagged":             "The tags were saved.",
	"undone":             "Taken back. The recipient had not read it, and it is gone from their inbox.",
	"retracted":          "Taken back from the recipient's inbox. They had read it, so what was read stays read.",
	"saved":              "Your settings were saved.",
	"marked":             "The mark was changed, and the figures follow.",
	"campaign":           "The last letter of the campaign was sent.",
	"retried":            "They are tried again now.",
	"asked":              "The workers were asked; the result appears here.",
	"paused":             "The sync is paused until it is resumed.",
	"resumed":            "The sync goes on.",
	"erased":             "The erasure has begun: the member and its keys are unknown from now on, and every text goes within seconds.",
	"key-ended":          "The key has ended, and every session with it.",
	"banned":             "Nobody can send an InMail there any more.",
	"unbanned":           "InMails can be sent there again.",
	"plan":               "The plan was changed. Credits count from it at once.",
	"restriction-undone": "The restriction was undone, and what it was decided from no longer counts.",
	"declined":           "You declined. The sender learns it and can add nothing to this InMail.",
}

func done(key string) string { return doneWords[key] }

// statusWords are the states of an InMail as its sender reads them.
var statusWords = map[domain.Status]string{
	domain.Queued:    "on its way",
	domain.Refused:   "refused",
	domain.Sent:      "delivered",
	domain.Opened:    "opened",
	domain.Replied:   "answered",
	domain.Declined:  "declined",
	domain.Expired:   "lapsed",
	domain.Retracted: "taken back",
	domain.Failed:    "failed",
}

func statusWord(s domain.Status) string {
	if w, ok := statusWords[s]; ok {
		return w
	}
	return spaced(string(s))
}

// receiptWords say what a receipt means, on the line of time of an InMail.
var receiptWords = map[domain.Status]string{
	domain.Queued:    "Accepted and checked by every rule",
	domain.Refused:   "Refused at delivery",
	domain.Sent:      "Delivered to the inbox",
	domain.Opened:    "Opened",
	domain.Replied:   "Answered",
	domain.Declined:  "Declined: no thanks",
	domain.Expired:   "Lapsed unread after a week",
	domain.Retracted: "Taken back",
	domain.Failed:    "Failed",
}

// adviceWords name each piece of advice in a few words, where there are numbers for it.
var adviceWords = map[string]string{
	advice.NoName:                  "does not name the reader",
	advice.NoSpecifics:             "nothing about the reader",
	advice.WeakSubject:             "weak subject",
	advice.WeakPreview:             "weak preview",
	advice.LongParagraph:           "long paragraph",
	advice.HardToRead:              "hard to read",
	advice.MentionCommonConnection: "common connection left out",
	advice.NoValueStatement:        "more I than you",
	advice.Over100Words:            "100 words or more",
	advice.HeavyFormatting:         "heavy formatting",
	advice.VaryText:                "almost the same text as others",
	advice.FollowUp:                "follow-up without its category",
}

// triggerWords name each limit on sending, as in "12 of 20 …".
var triggerWords = map[string]string{
	spam.VolumeHour:  "sent within an hour",
	spam.VolumeDay:   "sent within 24 hours",
	spam.Strikes:     "refused as spam in 30 days",
	spam.Reports:     "reported by recipients in 30 days",
	spam.SimilarDay:  "nearly the same text in 24 hours",
	spam.RegularGaps: "sends at a machine's pace",
	spam.BurstMinute: "sent within a minute",
}

func triggerWord(t string) string {
	if w, ok := triggerWords[t]; ok {
		return w
	}
	return spaced(t)
}

// spaced turns a code into words, for one that has none of its own yet.
func spaced(code string) string { return strings.ReplaceAll(code, "_", " ") }

// sentence begins a detail with a capital letter and ends it with a period.
func sentence(detail string) string {
	if detail == "" {
		return ""
	}
	first, n := utf8.DecodeRuneInString(detail)
	s := string(unicode.ToUpper(first)) + detail[n:]
	if strings.HasSuffix(s, ".") || strings.HasSuffix(s, "?") || strings.HasSuffix(s, "…") {
		return s
	}
	return s + "."
}

// Why a sender is restricted stands in a refusal's detail with the trigger's code.
var (
	overLimit = regexp.MustCompile(`^(\w+) is (\S+) and its limit is (\S+):`)
	becauseOf = regexp.MustCompile(`because of (\w+);`)
)

// restrictedWhy says in words why sending is restricted.
func restrictedWhy(detail string) string {
	if m := overLimit.FindStringSubmatch(detail); m != nil {
		return say("%s %s, and the limit is %s.", m[2], triggerWord(m[1]), m[3])
	}
	if m := becauseOf.FindStringSubmatch(detail); m != nil {
		return say("Over a limit: %s.", triggerWord(m[1]))
	}
	return sentence(detail)
}

// refusalWords say why a rule refused: what, the limit, the value and what to do.
func refusalWords(r *domain.Refusal, now time.Time) string {
	switch r.Code {
	case domain.Restricted:
		if !r.Until.IsZero() {
			return say("Sending is paused for you until %s. It resumes by itself; reading, replying and taking back go on. Why: %s",
				dayAndTime(r.Until, now), restrictedWhy(readableTimes(r.Detail, now)))
		}
	case domain.NoCredits:
		if r.Limit > 0 {
			return say("%s Wait until then, or ask an operator for a larger plan.", sentence(readableTimes(r.Detail, now)))
		}
	case domain.Connected:
		return say("You are connected already, so no InMail is needed. Write a regular message instead.")
	case domain.ProfileNotVisible:
		return say("This profile is not visible to you, so it cannot be reached by InMail. Try somebody else, or another way.")
	case domain.RecipientUnavailable:
		return say("This person cannot be reached by InMail. Try somebody else, or another way.")
	case domain.UnknownRecipient:
		return say("There is no member with this name. Check the spelling.")
	case domain.AwaitingReply:
		return say("Your earlier InMail to this person is still open. Wait until it is answered, lapses, or is taken back.")
	}
	return sentence(readableTimes(r.Detail, now))
}

// readableTimes writes the times that a detail contains in RFC 3339 as people do.
func readableTimes(detail string, now time.Time) string {
	words := strings.Fields(detail)
	for i, w := range words {
		bare := strings.TrimRight(w, ".,;:")
		if t, err := time.Parse(time.RFC3339, bare); err == nil {
			words[i] = dayAndTime(t, now) + w[len(bare):]
		}
	}
	return strings.Join(words, " ")
}

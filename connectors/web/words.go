package web

import (
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"inmail/connectors/web/words"
	"inmail/domain"
	"inmail/domain/advice"
	"inmail/domain/rates"
	"inmail/domain/spam"
)

// spoken is the language of the pages, with the translations of their sentences; nil: English.
var spoken atomic.Pointer[struct {
	words.Catalogue
	code string
}]

// speak lets all pages of this process speak a language.
func speak(c words.Catalogue, code string) {
	spoken.Store(&struct {
		words.Catalogue
		code string
	}{c, code})
}

// lang is the code of the language that the pages speak.
func lang() string {
	if s := spoken.Load(); s != nil && s.code != "" {
		return s.code
	}
	return "en"
}

// mark marks a sentence that is looked up where it is used, so that it is in the catalogue.
func mark(english string) string { return english }

// look returns a sentence in the language of the pages.
func look(english string) string {
	if s := spoken.Load(); s != nil {
		if translated, ok := s.Catalogue[english]; ok {
			return translated
		}
	}
	return english
}

// say returns a sentence of the pages in their language. The English text stands where it is used, so that
// code and templates can be read; every one of them goes through say, look or mark, or t in a template,
// and so into the catalogue.
func say(english string, args ...any) string {
	if len(args) == 0 {
		return look(english)
	}
	return fmt.Sprintf(look(english), args...)
}

// windowDays is for how many days an InMail can be opened (R32).
func windowDays() int { return domain.WindowHours / 24 }

// openCompleteDays is how many days after its Monday the open rate of a week is published (R57).
func openCompleteDays() int { return rates.OpenCompleteDays }

// doneWords say what a form has done, on the page that it leads to. The address names them by key, so that
// nobody can put words on a page by a link.
var doneWords = map[string]string{
	"signed-out":         mark("You are signed out."),
	"sent":               mark("Your InMail is on its way. What becomes of it is shown here."),
	"replied":            mark("Your reply was sent."),
	"reported":           mark("Thank you, the report was received. The sender does not learn who reported."),
	"blocked":            mark("Blocked. This person can no longer write to you. An operator can undo it."),
	"tagged":             mark("The tags were saved."),
	"undone":             mark("Taken back. The recipient had not read it, and it is gone from their inbox."),
	"retracted":          mark("Taken back from the recipient's inbox. They had read it, so what was read stays read."),
	"saved":              mark("Your settings were saved."),
	"marked":             mark("The mark was changed, and the figures follow."),
	"campaign":           mark("The last letter of the campaign was sent."),
	"retried":            mark("They are tried again now."),
	"asked":              mark("The workers were asked; the result appears here."),
	"paused":             mark("The sync is paused until it is resumed."),
	"resumed":            mark("The sync goes on."),
	"erased":             mark("The erasure has begun: the member and its keys are unknown from now on, and every text goes within seconds."),
	"key-ended":          mark("The key has ended, and every session with it."),
	"banned":             mark("Nobody can send an InMail there any more."),
	"webhook-tested":     mark("A test is on its way; the deliveries say how it ended."),
	"webhook-enabled":    mark("The end point is on; what waits is sent now."),
	"webhook-replayed":   mark("The events are sent once more."),
	"webhook-removed":    mark("The end point gets no events any more."),
	"unbanned":           mark("InMails can be sent there again."),
	"plan":               mark("The plan was changed. Credits count from it at once."),
	"restriction-undone": mark("The restriction was undone, and what it was decided from no longer counts."),
	"declined":           mark("You declined. The sender learns it and can add nothing to this InMail."),
}

func done(key string) string { return look(doneWords[key]) }

// statusWords are the states of an InMail as its sender reads them.
var statusWords = map[domain.Status]string{
	domain.Queued:    mark("on its way"),
	domain.Refused:   mark("refused"),
	domain.Sent:      mark("delivered"),
	domain.Opened:    mark("opened"),
	domain.Replied:   mark("answered"),
	domain.Declined:  mark("declined"),
	domain.Expired:   mark("lapsed"),
	domain.Retracted: mark("taken back"),
	domain.Failed:    mark("failed"),
}

func statusWord(s domain.Status) string {
	if w, ok := statusWords[s]; ok {
		return look(w)
	}
	return spaced(string(s))
}

// receiptWords say what a receipt means, on the line of time of an InMail.
var receiptWords = map[domain.Status]string{
	domain.Queued:    mark("Accepted and checked by every rule"),
	domain.Refused:   mark("Refused at delivery"),
	domain.Sent:      mark("Delivered to the inbox"),
	domain.Opened:    mark("Opened"),
	domain.Replied:   mark("Answered"),
	domain.Declined:  mark("Declined: no thanks"),
	domain.Expired:   mark("Lapsed unread when its time was over"),
	domain.Retracted: mark("Taken back"),
	domain.Failed:    mark("Failed"),
}

// adviceWords name each piece of advice in a few words, where there are numbers for it.
var adviceWords = map[string]string{
	advice.NoName:                  mark("does not name the reader"),
	advice.NoSpecifics:             mark("nothing about the reader"),
	advice.WeakSubject:             mark("weak subject"),
	advice.WeakPreview:             mark("weak preview"),
	advice.LongParagraph:           mark("long paragraph"),
	advice.HardToRead:              mark("hard to read"),
	advice.MentionCommonConnection: mark("common connection left out"),
	advice.NoValueStatement:        mark("more I than you"),
	advice.Over100Words:            mark("100 words or more"),
	advice.HeavyFormatting:         mark("heavy formatting"),
	advice.VaryText:                mark("almost the same text as others"),
	advice.FollowUp:                mark("follow-up without its category"),
}

// triggerWords name each limit on sending, as in "12 of 20 …".
var triggerWords = map[string]string{
	spam.VolumeHour:  mark("sent within an hour"),
	spam.VolumeDay:   mark("sent within 24 hours"),
	spam.Strikes:     mark("refused as spam in 30 days"),
	spam.Reports:     mark("reported by recipients in 30 days"),
	spam.SimilarDay:  mark("nearly the same text in 24 hours"),
	spam.RegularGaps: mark("sends at a machine's pace"),
	spam.BurstMinute: mark("sent within a minute"),
}

func triggerWord(t string) string {
	if w, ok := triggerWords[t]; ok {
		return look(w)
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
	parts := strings.Fields(detail)
	for i, w := range parts {
		bare := strings.TrimRight(w, ".,;:")
		if t, err := time.Parse(time.RFC3339, bare); err == nil {
			parts[i] = dayAndTime(t, now) + w[len(bare):]
		}
	}
	return strings.Join(parts, " ")
}

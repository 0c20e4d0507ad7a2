package advice

import "strings"

// followUp advises to set the category "follow-up after meeting" if an English text without a category
// mentions a past meeting, call or event (R52). A question or an offer to meet or to call ("would you be open
// to a short call?") does not count, because there is nothing to follow up yet. "" is no advice.
func followUp(all texts) string {
	for _, t := range all {
		for from := 0; from < len(t.words); {
			to := from + 1
			for to < len(t.words) && !t.words[to].first {
				to++
			}
			if i, n := findMeeting(t, from, to); n > 0 {
				return "You speak of " + t.quote(i, i+n) +
					`: if this is a follow-up after meeting, set the category to "follow_up", ` +
					"so that you see how such messages do."
			}
			from = to
		}
	}
	return ""
}

// findMeeting finds the mention of a past meeting, call or event in the sentence of the words from..to, to
// not included: its first word, and how many words to quote; 0 for none.
func findMeeting(t *text, from, to int) (at, n int) {
	end := int(t.words[to-1].end) + closingPunctuation(t, to-1)
	past, proposes := false, strings.Contains(t.plain[t.words[from].start:end], "?")
	for i := from; i < to; i++ {
		past = past || t.has(i, pastWords)
		proposes = proposes || t.has(i, proposalWords)
	}
	for i := from; i < to; i++ {
		switch {
		case t.has(i, eventNouns):
			if t.anyPhraseAt(i-2, inAnyEvent) > 0 {
				continue // in any event, in the event of
			}
			return max(from, i-2), 3
		case t.has(i, talkVerbs) && t.has(i+1, talkPartners), t.has(i, we) && t.has(i+1, talkVerbs):
			return i, 3
		case t.has(i, meetingNouns) && isMeeting(t, i) && (!proposes || past || t.has(i-1, ours)):
			return max(from, i-2), 4
		}
	}
	return 0, 0
}

// closingPunctuation returns the length in bytes of the punctuation and blanks after word i.
func closingPunctuation(t *text, i int) int {
	rest := t.plain[t.words[i].end:]
	return len(rest) - len(strings.TrimLeft(rest, "?!.…\"'”’) "))
}

// isMeeting reports whether word i, one of meetingNouns, is used as a noun for a meeting: not in "call me",
// "meeting your needs" or "a call to action".
func isMeeting(t *text, i int) bool {
	switch t.words[i].key {
	case "call", "calls":
		if t.anyPhraseAt(i+1, callTo) > 0 || t.has(i+1, callCompounds) {
			return false
		}
		for back := 1; back <= 3; back++ {
			if t.has(i-back, determiners) {
				return true
			}
			if t.has(i-back, verbMarks) {
				return false
			}
		}
		return false
	case "meeting":
		for next := i + 1; next <= i+3; next++ {
			if t.has(next, metThings) {
				return false
			}
		}
	}
	return true
}

var (
	meetingNouns = listOf("meeting meetings call calls conversation appointment")
	eventNouns   = listOf("event events conference conferences webinar webinars workshop workshops summit meetup " +
		"congress symposium tradeshow expo hackathon")
	talkVerbs    = listOf("met spoke talked chatted")
	talkPartners = listOf("you with at in on last yesterday today briefly your about during after")
	// pastWords show that the meeting has taken place.
	pastWords = listOf("following after since during met spoke talked discussed attended enjoyed thanks thank last " +
		"yesterday earlier previous recent was were had continue")
	proposalWords = listOf("would could can shall might let open happy love glad free available schedule book arrange " +
		"set hop jump forward interested suggest propose if")
	ours        = listOf("our")
	we          = listOf("we")
	inAnyEvent  = phrases("in any event", "in the event of", "in the event that")
	callTo      = phrases("to action", "for papers")
	determiners = listOf("a an the our your that this my last first next yesterday s phone video zoom teams sales " +
		"discovery conference minute quick short brief intro introductory recent previous earlier")
	verbMarks     = listOf("to i we you they please will can could would should ll and")
	callCompounds = listOf("center centers centre centres me him her them us it you")
	metThings     = listOf("needs need goals goal targets target deadlines deadline requirements requirement demand " +
		"demands expectations standards quota quotas criteria room rooms")
)

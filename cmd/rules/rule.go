package main

import (
	"fmt"

	"inmail/domain"
)

// Rule is a row of the product's rules: what an InMail must and must not do.
type Rule struct {
	Number   int    // 1..70, cited by an R and two digits
	Title    string // its subject in a few words
	Required bool   // it must have a file that decides it and a test that passes
}

// String returns the number in the form in which it is cited: R08.
func (r Rule) String() string { return cite(r.Number) }

func cite(number int) string { return fmt.Sprintf("R%02d", number) }

const (
	required = true
	planned  = false // not built yet: listed in the table, but not required
)

// allowance returns what a plan of an account type grants, in words.
func allowance(t domain.AccountType) string {
	low, high := domain.AllowanceBounds(t)
	if low == high {
		return fmt.Sprintf("%d a period", low)
	}
	return fmt.Sprintf("%d to %d by plan", low, high)
}

// rules lists every rule in order. When a rule is built, its planned becomes required.
var rules = []Rule{
	{1, "Members reach members without e-mail addresses", required},
	{2, "Basic accounts send none", required},
	{3, "Premium Business: " + allowance(domain.PremiumBusiness), required},
	{4, "Sales Navigator Team: " + allowance(domain.SalesNavigatorTeam), required},
	{5, "Recruiter: " + allowance(domain.Recruiter), required},
	{6, "Job Seeker: " + allowance(domain.JobSeeker), required},
	{7, "A change of plan acts at once and recalls nothing", required},
	{8, "The credit period: a month from the anchor day, computed when asked", required},
	{9, "Unused credits lapse, or roll over by policy", required},
	{10, "One credit per delivery, taken in the same transaction", required},
	{11, "Credits come back for a reply only, and only by policy", required},
	{12, "Not to a connection", required},
	{13, "Not to yourself, not to nobody", required},
	{14, "Visible profiles only", required},
	{15, "Who opted out is not written to", required},
	{16, "A block stops InMails and replies of the pair", required},
	{17, "The banned list of members and companies", required},
	{18, "The sender does not learn who blocked, opted out or is banned", required},
	{19, "Exactly one recipient", required},
	{20, "No second InMail while the first awaits its answer", required},
	{21, "The order of checks, none skipped, all made again at delivery", required},
	{22, fmt.Sprintf("Subject: required, one line, %d characters", domain.MaxSubject), required},
	{23, fmt.Sprintf("Body: required, %d,%03d characters as read", domain.MaxBody/1000, domain.MaxBody%1000), required},
	{24, "Formatting is kept, HTML is shown as typed", required},
	{25, "Links to http, https and mailto only", required},
	{26, "No images, no attachments", required},
	{27, "No drafts: what was not accepted is stored nowhere", required},
	{28, "An idempotency key sends once", required},
	{29, "Exactly one inbox entry, newest first, with unread state", required},
	{30, "The preview opens nothing", required},
	{31, "Only the recipient opens, once", required},
	{32, fmt.Sprintf("Unopened after %d hours it expires", domain.WindowHours), required},
	{33, "The clock decides expiry, not the job", required},
	{34, fmt.Sprintf("Retracting: by the sender, within %d hours", domain.WindowHours), required},
	{35, "Retracting is asked and then confirmed", required},
	{36, "Retracted unopened: gone, and undone", required},
	{37, "Retracted opened: hidden, what was read stays read", required},
	{38, "Of racing events exactly one wins", required},
	{39, "Replying is free and opens", required},
	{40, "After the first reply both write freely", required},
	{41, "What triggers the spam guard", required},
	{42, "What a trigger does: refuse, count, restrict for a time", required},
	{43, "Every restriction is explained", required},
	{44, "Abuse is reported once", required},
	{45, "Advice: name the recipient and something of theirs", required},
	{46, "Advice: a subject and a preview that say something", required},
	{47, "Advice: short paragraphs, easy reading", required},
	{48, "Advice: mention a common connection", required},
	{49, "Advice: what is in it for the reader", required},
	{50, "Advice: under 100 words", required},
	{51, "Advice: little formatting", required},
	{52, "Advice: the follow-up category", required},
	{53, "Every InMail is in Salesforce once, with its current state", required},
	{54, "Receipts with time and rising sequence number", required},
	{55, "Logged on the matching Lead, Contact and Account", required},
	{56, "Tags, normalised, ten at most", required},
	{57, "Open rate by week, published when complete", required},
	{58, "Response rate by week, published when complete", required},
	{59, "One number everywhere", required},
	{60, "Erasure leaves counts and nothing else", required},
	{61, "Too old to send: failed, spends nothing", required},
	{62, "Rates by length and by advice", required},
	{63, "Declining: final like a reply, counted by itself", required},
	{64, "Automatic replies are shown and count as none", required},
	{65, "A recipient's peace: so many InMails a week", required},
	{66, "A preflight judges its recipients as a sequence", required},
	{67, "Every connected CRM, each with its own state", planned},
	{68, "Events for others, as signed webhooks", planned},
	{69, "Who sees which figures", required},
	{70, "Acts of operators are in the audit", planned},
}

package mailroom

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"inmail/domain"
	"inmail/domain/advice"
	"inmail/domain/richtext"
	"inmail/domain/spam"
)

// Send is the request to send one InMail. It is complete, because there are no drafts (R27), and has exactly
// one recipient (R19).
type Send struct {
	ID          domain.ID // of the InMail that this makes; empty: a new one
	From, To    domain.MemberID
	Subject     string
	Body        string
	Attachments bool // the request carried a field attachment or attachments (R26)
	Tags        []string
	Category    string
	CRM         domain.CRMIDs
	Key         string // Idempotency-Key; empty: none (R28)
}

// Accepted answers one Send: the queued InMail with its advice, or why it was refused.
type Accepted struct {
	ID     domain.ID
	Advice []advice.Hit
	Err    error // nil, or a *domain.Refusal as the sender may see it (R18)
}

// MaxCategory is the longest category, in code points.
const MaxCategory = 40

// Accept reads sends, accepts them as AcceptRead does, and enqueues the accepted ones. It succeeds even when
// the queue cannot be reached, because the record has the InMails and redrive enqueues them again.
func (svc *Service) Accept(ctx context.Context, sends []Send) ([]Accepted, error) {
	letters := make([]*Letter, len(sends))
	for i, s := range sends {
		letters[i] = svc.Read(s)
	}
	answers, queued, err := svc.AcceptRead(ctx, letters)
	if len(queued) > 0 {
		_ = svc.Announce(ctx, queued)
	}
	return answers, err
}

// Announce asks the workers to deliver accepted InMails.
func (svc *Service) Announce(ctx context.Context, ids []domain.ID) error {
	task := Task{Type: TaskSend, IDs: make([]string, len(ids))}
	for i, id := range ids {
		task.IDs[i] = string(id)
	}
	return wrap("ask for what was accepted", svc.queue.Enqueue(ctx, task))
}

// Read reads a send. AcceptRead reports what is wrong with it.
func (svc *Service) Read(s Send) *Letter {
	d := svc.readLetter(s)
	if d.err == nil {
		d.content = d.judge(svc.lastModel())
		if !d.text.TooLong() { // which is refused, and needs no advice
			d.advised()
		}
	}
	return d
}

// AcceptRead judges letters by every rule that can be judged now, in R21's order, and stores those that pass
// as queued, in one transaction; answers[i] is for letters[i]. Of a refused one only the audit keeps the
// codes, once for those like it of one minute, and no key is bound to it (R27, R28). After an error nothing
// of the batch is stored. The caller announces queued, which leaves out sends that were accepted before under
// their key (R28).
func (svc *Service) AcceptRead(ctx context.Context,
	letters []*Letter) (answers []Accepted, queued []domain.ID, err error) {
	if len(letters) == 0 {
		return nil, nil, nil
	}
	var b *acceptance
	err = svc.record.Update(ctx, func(tx Tx) error {
		b = &acceptance{
			svc: svc, tx: tx, letters: letters,
			answers: make([]Accepted, len(letters)), first: map[AnswerKey]Answer{},
			repeats: map[AnswerKey]repeat{}, prints: map[domain.ID]spam.Fingerprint{},
		}
		return b.run()
	})
	if err != nil {
		return nil, nil, fmt.Errorf("accept %d sends: %w", len(letters), err)
	}
	b.notify()
	svc.verdicts.found(b.ledger.model, b.judged)
	svc.prints.keep(b.prints)
	queued = make([]domain.ID, len(b.inmails))
	for i, m := range b.inmails {
		queued[i] = m.ID
	}
	return b.answers, queued, nil
}

// Letter is a Send that was read: its fields are in their normal form, and its text was judged as far as
// possible without the record. Concurrent callers read their sends in parallel, so the transaction that they
// share is short.
type Letter struct {
	Send
	*reading
	content content
	digest  Digest
	err     error // bad_request: the rules do not judge it; nil: none
}

func (svc *Service) readLetter(s Send) *Letter {
	d := &Letter{Send: s, reading: &reading{}}
	for _, id := range []domain.MemberID{s.From, s.To} {
		if err := id.Validate(); err != nil {
			d.err = err
			return d
		}
	}
	for _, t := range []string{beginning(s.Subject), beginning(s.Body), s.Category, strings.Join(s.Tags, "")} {
		if err := CheckText(t); err != nil {
			d.err = err
			return d
		}
	}
	if d.err = checkKey(s.Key); d.err != nil {
		return d
	}
	if d.Tags, d.err = domain.NormalTags(s.Tags); d.err != nil {
		return d
	}
	category := norm.NFC.String(strings.TrimSpace(s.Category))
	d.Category = strings.TrimSpace(richtext.Line(category)) // it is never quoted whole (F38)
	if n := utf8.RuneCountInString(d.Category); n > MaxCategory || strings.ContainsFunc(category, unicode.IsControl) {
		detail := fmt.Sprintf("a category has at most %d characters, none of them a control character", MaxCategory)
		d.err = &domain.Refusal{Code: domain.BadRequest, Got: n, Limit: MaxCategory, Detail: detail}
		return d
	}
	if d.err = domain.CheckReserved("category", d.Category); d.err != nil {
		return d
	}
	if d.CRM, d.err = svc.judgeCRM(s.CRM); d.err != nil {
		return d
	}
	d.read(s.Subject, s.Body, s.Attachments)
	d.category, d.readingEase = d.Category, svc.policy.ReadingEase
	if d.Key != "" {
		d.digest = d.digestOf(svc.crmDigest(d.CRM))
	}
	return d
}

// MaxKey is the longest Idempotency-Key, in characters.
const MaxKey = 255

// checkKey refuses a key that is too long or not printable ASCII (R28). An empty key is no key.
func checkKey(key string) error {
	if len(key) > MaxKey || strings.IndexFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) >= 0 {
		return badKey(key)
	}
	return nil
}

func badKey(key string) error {
	detail := fmt.Sprintf("an idempotency key has 1 to %d printable ASCII characters", MaxKey)
	return &domain.Refusal{Code: domain.BadRequest, Got: len(key), Limit: MaxKey, Detail: detail}
}

// beginning returns what is checked of a subject or body: of one that is refused for its length, and never
// stored, no more than may be stored.
func beginning(s string) string {
	if len(s) <= domain.MaxSource {
		return s
	}
	end := domain.MaxSource
	for end > domain.MaxSource-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// CheckText refuses, with bad_request, text that cannot be stored: invalid UTF-8 and the character NUL.
func CheckText(s string) error {
	if !utf8.ValidString(s) {
		return refuse(domain.BadRequest, "the text is not valid UTF-8")
	}
	if strings.ContainsRune(s, 0) {
		return refuse(domain.BadRequest, "the text holds the character NUL (U+0000), which no text may")
	}
	return nil
}

// crmDigest returns the part of a digest for ids of CRMs. Those of the first CRM have the form of the first
// version of this program, an object of all its ids in their order, so that a send which is repeated after an
// upgrade is the same request.
func (svc *Service) crmDigest(given domain.CRMIDs) []any {
	if len(svc.crms) == 0 {
		return nil
	}
	first := svc.crms[0]
	var object strings.Builder
	for _, id := range first.IDs() {
		name := ""
		for word := range strings.SplitSeq(strings.TrimSuffix(id.Name, "_id"), "_") {
			name += strings.ToUpper(word[:1]) + word[1:]
		}
		value, _ := json.Marshal(given[first.Name()][id.Name])
		fmt.Fprintf(&object, `,"%sID":%s`, name, value)
	}
	crm := []any{json.RawMessage("{" + strings.TrimPrefix(object.String(), ",") + "}")}
	others := maps.Clone(given)
	delete(others, first.Name())
	if len(others) > 0 {
		crm = append(crm, others)
	}
	return crm
}

// acceptance judges one batch inside its transaction.
type acceptance struct {
	svc     *Service
	tx      Tx
	letters []*Letter
	answers []Accepted
	ledger  *ledger
	first   map[AnswerKey]Answer // first answers by key: stored ones and those of this batch
	// repeats are the refusals of this batch by key. A request of the same key and text is a repeat that came
	// at the same time, and gets the same answer; of another text it is judged (R28).
	repeats map[AnswerKey]repeat

	inmails      []*domain.InMail
	receipts     []domain.Receipt
	prints       map[domain.ID]spam.Fingerprint // as far as they were made
	strikes      []Strike
	audit        []AuditEntry
	newAnswers   []Answer
	judged       []textDigest
	refused      []domain.Code
	accountTypes []domain.AccountType
}

func (b *acceptance) run() error {
	pairs := make([]Pair, 0, len(b.letters))
	keys := make([]AnswerKey, 0)
	for _, d := range b.letters {
		if d.err != nil {
			continue
		}
		pairs = append(pairs, Pair{d.From, d.To})
		if d.Key != "" {
			keys = append(keys, d.answerKey())
		}
	}
	ledger, facts, err := b.svc.open(b.tx, pairs, forAccept, Ask{Common: true, Keys: keys})
	if err != nil {
		return err
	}
	b.ledger = ledger
	for _, a := range facts.Answers {
		if a != nil {
			b.first[a.AnswerKey] = *a
		}
	}
	common := make(map[Pair][]string, len(pairs))
	for i, p := range pairs {
		common[p] = facts.Common[i]
	}
	for i, d := range b.letters {
		if b.answers[i], err = b.judge(d, common); err != nil {
			return err
		}
	}
	return b.store()
}

// judge decides one send and collects what is to be stored of it.
func (b *acceptance) judge(d *Letter, common map[Pair][]string) (Accepted, error) {
	if d.err != nil {
		return Accepted{Err: d.err}, nil
	}
	key := d.answerKey()
	if a, again := b.first[key]; again && d.Key != "" {
		return b.replay(a, d, common[Pair{d.From, d.To}])
	}
	if same, again := b.repeats[key]; again && d.Key != "" && same.digest == d.digest {
		return same.answer, nil
	}
	now := b.tx.Now()
	text := b.ledger.content(d.content, d.reading)
	refusals := b.ledger.refusals(d.From, d.To, text, now)
	sender := b.ledger.members[d.From]
	if sender != nil {
		b.accountTypes = append(b.accountTypes, sender.AccountType)
	}
	if text.verdict != nil && sender != nil {
		if err := b.strike(d.From, now); err != nil {
			return Accepted{}, err
		}
	}
	if len(refusals) == 0 {
		trigger, err := b.ledger.trigger(b.tx, d, now)
		if err != nil {
			return Accepted{}, err
		}
		if trigger != nil {
			until, err := b.restrict(d.From, *trigger, now)
			if err != nil {
				return Accepted{}, err
			}
			refusals = []*domain.Refusal{until}
		}
	}
	if len(refusals) > 0 {
		return b.refuse(d, refusals, text, now)
	}
	return b.accept(d, sender, common[Pair{d.From, d.To}], now)
}

func (b *acceptance) refuse(d *Letter, refusals []*domain.Refusal, text content, now time.Time) (Accepted, error) {
	codes := make([]domain.Code, len(refusals))
	for i, r := range refusals {
		codes[i] = r.Code
	}
	detail, err := detailOf(text, refusals, now)
	if err != nil {
		return Accepted{}, err
	}
	b.refused = append(b.refused, codes[0])
	entry := AuditEntry{ID: string(b.svc.ids.NewID()), At: now, Kind: DecidedSend,
		Sender: b.ledger.known(d.From), Recipient: b.ledger.known(d.To), Refusals: codes, Detail: detail}
	entry.Same = sameRefusal(entry, text)
	b.audit = append(b.audit, entry)
	a := Accepted{Err: refusals[0].ForSender()}
	b.repeats[d.answerKey()] = repeat{d.digest, a}
	return a, nil
}

func (b *acceptance) accept(d *Letter, sender *domain.Member, common []string, now time.Time) (Accepted, error) {
	hits := advise(d.advised(), b.ledger.members[d.To], common)
	if b.ledger.printed[d.From] {
		hits = append(hits, varyAdvice(d.text, b.ledger.members[d.To], b.ledger.fingerprint(d), b.ledger.prints[d.From],
			b.ledger.signals[d.From].Similar, b.svc.limits.SimilarDay)...)
	}
	m, receipt := domain.New(domain.InMail{
		ID: cmp.Or(d.ID, b.svc.ids.NewID()), Sender: d.From, Recipient: d.To, Subject: d.text.Subject, Body: d.text.Source,
		Preview: d.advised().Preview(), Category: d.Category, Tags: d.Tags, CRM: d.CRM, AccountType: sender.AccountType,
		Words: d.advised().Words(), Advice: adviceCodes(hits),
	}, now)
	b.inmails = append(b.inmails, m)
	b.receipts = append(b.receipts, receipt)
	b.judged = append(b.judged, d.digestText())
	b.ledger.accepted(d, now)
	if print, made := b.ledger.made[d]; made {
		b.prints[m.ID] = print
	}
	a := Accepted{ID: m.ID, Advice: hits}
	return a, b.remember(d, a, now)
}

// repeat is a refused request and its answer.
type repeat struct {
	digest Digest
	answer Accepted
}

// remember keeps the answer to an accepted send under its key, for when it is repeated; a refusal binds no
// key (R28). Of the advice it keeps only the codes, because the rest quotes the text and names people (R60).
func (b *acceptance) remember(d *Letter, a Accepted, now time.Time) error {
	if d.Key == "" {
		return nil
	}
	var body []byte
	if len(a.Advice) > 0 {
		var said firstAnswer
		for _, hit := range a.Advice {
			said.Advice = append(said.Advice, hit.Code)
		}
		var err error
		if body, err = json.Marshal(said); err != nil {
			return fmt.Errorf("keep the first answer: %w", err)
		}
	}
	answer := Answer{AnswerKey: d.answerKey(), Digest: d.digest, InMail: a.ID, Body: body, At: now}
	b.first[answer.AnswerKey] = answer
	b.newAnswers = append(b.newAnswers, answer)
	return nil
}

// firstAnswer is what is kept of an answer beside the id, where there is something to keep.
type firstAnswer struct {
	Advice []string `json:"advice,omitempty"` // codes, in the order of the answer
}

// keepKeys is how long an answer is kept under its key (R28).
func (svc *Service) keepKeys() time.Duration {
	return time.Duration(svc.policy.KeyDays) * 24 * time.Hour
}

// readWithOne is how many idempotency keys DropKeys reads at once for each that it may drop.
const readWithOne = 5

// DropKeys forgets the idempotency keys that are older than the policy key_days among the next 5 × limit, and
// returns how many it read (R28). Until then they bind nothing either.
func (svc *Service) DropKeys(ctx context.Context, limit int) (n int, err error) {
	err = svc.record.Update(ctx, func(tx Tx) (err error) {
		n, err = tx.DropAnswers(svc.keepKeys(), readWithOne*limit)
		return err
	})
	return n, wrap("drop old keys", err)
}

// Request identifies a send with a key: two letters with one request are the same send, repeated (R28). A
// letter without a key has none.
func (d *Letter) Request() (id string, keyed bool) {
	if d.Key == "" || d.err != nil {
		return "", false
	}
	key := d.answerKey()
	return fmt.Sprintf("%s %x %x", key.Sender, key.Key, d.digest), true
}

// answerKey returns the key of the first answer.
func (d *Letter) answerKey() AnswerKey { return NewAnswerKey(d.From, d.Key) }

// replay returns the answer of an accepted send again; another request under the same key is a conflict
// (R28). The details of the advice were not kept and are computed anew from the text, which is the same.
// Where the recipient has changed or is erased since, only the code is returned.
func (b *acceptance) replay(a Answer, d *Letter, common []string) (Accepted, error) {
	if a.Digest != d.digest {
		return Accepted{Err: refuse(domain.IdempotencyConflict,
			"this Idempotency-Key was used for another InMail; use a new key for a new InMail")}, nil
	}
	var said firstAnswer
	if len(a.Body) > 0 {
		if err := json.Unmarshal(a.Body, &said); err != nil {
			return Accepted{}, fmt.Errorf("read the first answer: %w", err)
		}
	}
	again := Accepted{ID: a.InMail}
	if len(said.Advice) > 0 {
		details := map[string]string{}
		for _, hit := range advise(d.advised(), b.ledger.members[d.To], common) {
			details[hit.Code] = hit.Detail
		}
		for _, code := range said.Advice {
			again.Advice = append(again.Advice, advice.Hit{Code: code, Detail: details[code]})
		}
	}
	return again, nil
}

func (b *acceptance) store() error {
	steps := []func() error{
		func() error { return b.tx.Insert(b.inmails, b.receipts) },
		func() error { return b.tx.PutAnswers(b.newAnswers) },
		func() error { return b.tx.Strike(b.strikes) },
		func() error { return b.tx.AppendAudit(b.audit) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// notify sends the observer notices of what was committed.
func (b *acceptance) notify() {
	for _, t := range b.accountTypes {
		b.svc.observer.Notify(SendAttempted{t})
	}
	for _, c := range b.refused {
		b.svc.observer.Notify(SendRefused{c})
	}
}

// advise returns what could be better in a text for this recipient. It never refuses (R45–R52).
func advise(text *advice.Reading, to *domain.Member, common []string) []advice.Hit {
	var recipient advice.Profile
	if to != nil {
		recipient = advice.Profile{Name: to.Name, Headline: to.Headline, Company: to.Company, Skills: to.Skills}
	}
	return text.For(recipient, common)
}

func adviceCodes(hits []advice.Hit) []string {
	codes := make([]string, 0, len(hits))
	for _, h := range hits {
		codes = append(codes, h.Code)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// limitsOf returns the limits of R41 from the policy.
func limitsOf(p domain.Policy) spam.Limits {
	l := spam.DefaultLimits()
	l.VolumeHour, l.VolumeDay, l.Strikes = p.VolumeHour, p.VolumeDay, p.Strikes
	l.SimilarDay, l.RegularGaps, l.BurstMinute = p.SimilarDay, p.RegularGaps, p.BurstMinute
	return l
}

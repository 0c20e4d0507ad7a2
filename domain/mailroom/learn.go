package mailroom

import (
	"context"
	"fmt"
	"time"

	"inmail/domain"
	"inmail/domain/spam"
)

// stateModelFaded is the time when the filter's model faded last.
const stateModelFaded = "model_faded"

// maxReported is how many reports are searched for ones that are like a new one.
const maxReported = 1000

// Learn lets the filter's model learn up to limit lessons and fade when that is due, and returns from how
// many InMails it learned. A reply teaches at once that its InMail is good. A report teaches spam only when
// enough distinct readers have reported similar InMails (spam.Teach), and never when the reader has answered
// the InMail.
func (svc *Service) Learn(ctx context.Context, limit int) (learnt int, err error) {
	err = svc.record.Update(ctx, func(tx Tx) error {
		learnt = 0
		lessons, err := tx.TakeLessons(limit)
		if err != nil {
			return err
		}
		due, err := fadeDue(tx)
		if err != nil || len(lessons) == 0 && due == 0 {
			return err
		}
		blob, err := tx.Model()
		if err != nil {
			return err
		}
		m := spam.NewModel() // a copy, because the cached model is in use
		if len(blob) > 0 {
			if err := m.UnmarshalBinary(blob); err != nil {
				return fmt.Errorf("read the filter's model: %w", err)
			}
		}
		for range due {
			m.Fade()
		}
		if learnt, err = svc.learn(tx, m, lessons); err != nil || learnt == 0 && (due == 0 || len(blob) == 0) {
			return err // nothing has changed
		}
		if blob, err = m.MarshalBinary(); err != nil {
			return err
		}
		if err := tx.PutModel(blob); err != nil {
			return err
		}
		return tx.SetState(stateModelVersion, []byte(svc.ids.NewID()))
	})
	return learnt, wrap("learn", err)
}

// fadeDue returns how many times the model is to fade now, and stores that it has. The time counts from the
// first call.
func fadeDue(tx Tx) (due int, err error) {
	last, err := state[time.Time](tx, stateModelFaded)
	if err != nil {
		return 0, err
	}
	if last == nil {
		return 0, setState(tx, stateModelFaded, tx.Now())
	}
	if due = int(tx.Now().Sub(*last) / spam.FadeEvery); due <= 0 {
		return 0, nil
	}
	return due, setState(tx, stateModelFaded, last.Add(time.Duration(due)*spam.FadeEvery))
}

// learn lets m learn from lessons, and returns from how many InMails it learned.
func (svc *Service) learn(tx Tx, m *spam.Model, lessons []Lesson) (learnt int, err error) {
	var answered []domain.ID
	reported := false
	for _, l := range lessons {
		if l.Spam {
			reported = true
		} else {
			answered = append(answered, l.InMail)
		}
	}
	found, err := tx.InMails(answered)
	if err != nil {
		return 0, err
	}
	for _, id := range answered {
		// An erased InMail has no text to learn from, and one whose reply was automatic after all is not
		// answered.
		if im := found[id]; im != nil && im.Body != "" && !im.RepliedAt.IsZero() {
			m.Observe(im.Subject, im.Body, false)
			learnt++
		}
	}
	if !reported {
		return learnt, nil
	}
	n, err := svc.learnReports(tx, m)
	return learnt + n, err
}

// learnReports lets m learn from the reported InMails that teach now (spam.Teach).
func (svc *Service) learnReports(tx Tx, m *spam.Model) (learnt int, err error) {
	rows, err := tx.Reported(tx.Now().Add(-spam.RecordWindow), maxReported)
	if err != nil {
		return 0, err
	}
	ids, senders := make([]domain.ID, len(rows)), make([]domain.MemberID, len(rows))
	for i, row := range rows {
		ids[i], senders[i] = row.InMail, row.Sender
	}
	found, err := tx.InMails(ids)
	if err != nil {
		return 0, err
	}
	signals, err := tx.Signals(unique(senders), svc.limits)
	if err != nil {
		return 0, err
	}
	recipients := make([]domain.MemberID, 0, len(found))
	for _, im := range found {
		recipients = append(recipients, im.Recipient)
	}
	members, err := tx.Members(unique(recipients))
	if err != nil {
		return 0, err
	}
	var reports []spam.ReportedBody
	var of []*domain.InMail // of[i] belongs to reports[i]
	deliveries := map[string]int{}
	for _, row := range rows {
		im := found[row.InMail]
		if im == nil || im.Body == "" || !im.RepliedAt.IsZero() || !row.At.After(signals[row.Sender].Undone.Reports) {
			continue
		}
		deliveries[string(row.Sender)] = signals[row.Sender].Deliveries
		reports = append(reports, spam.ReportedBody{
			Sender: string(row.Sender), Reporter: row.Reporter, Taught: row.Taught,
			Print: readText(im.Subject, im.Body, false).print(members[im.Recipient]),
		})
		of = append(of, im)
	}
	var taught []domain.ID
	for _, i := range spam.Teach(reports, deliveries, svc.limits) {
		m.Observe(of[i].Subject, of[i].Body, true)
		taught = append(taught, of[i].ID)
	}
	return len(taught), tx.Taught(taught)
}

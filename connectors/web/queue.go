package web

import (
	"net/http"

	"inmail/domain"
)

// queuePage is the job queue: what waits, and what failed.
type queuePage struct {
	Card     card
	Queues   []JobQueue
	Failures []taskView
}

type taskView struct {
	FailedTask
	At   moment
	Next *moment
}

// tasksShown is how many failed tasks a page has.
const tasksShown = 50

func (v *visit) showQueue() error {
	if v.site.Queue == nil {
		return refuse(domain.NotFound, say("The job queue is not shown here."))
	}
	jobs, err := v.site.Queue.Status(v.ctx)
	if err != nil {
		return err
	}
	failures, err := v.site.Queue.Failures(v.ctx, tasksShown)
	if err != nil {
		return err
	}
	page := queuePage{Card: jobsCard(card{Name: say("Queue"), State: isWell,
		Sentence: say("Nothing waits longer than it should.")}, jobs), Queues: jobs.Queues}
	page.Card.Sign = look(signs[page.Card.State])
	for _, f := range failures {
		page.Failures = append(page.Failures, taskView{f, momentOf(f.At, v.now()), momentOrNil(f.Next, v.now())})
	}
	return v.show(http.StatusOK, say("Queue"), page)
}

func (v *visit) retryTasks() error {
	if v.site.Queue == nil {
		return refuse(domain.NotFound, say("The job queue is not shown here."))
	}
	if err := v.site.Queue.Retry(v.ctx, v.r.PostForm.Get("id")); err != nil {
		return err
	}
	return v.goTo("/works/queue?done=retried")
}

package worker

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"inmail/domain"
	"inmail/domain/mailroom"
)

// The bounds of deliveries to one end point.
const (
	hookParallel = 8                // events of different InMails that are on their way at once
	hookTask     = 20 * time.Second // a task claims no further batch after that
)

// webhookDeliver delivers to the end point that its task names, until nothing is due. Tasks of the schedule
// name none: they ask for each end point that has something due, so that a slow one delays no other (R68).
func (j *Jobs) webhookDeliver(ctx context.Context, ids []string) error {
	if j.Webhooks == nil {
		return nil
	}
	if len(ids) == 0 {
		due, err := j.Service.DueWebhooks(ctx)
		if err != nil {
			return err
		}
		return j.Service.AskDeliveries(ctx, due)
	}
	holder := j.Service.NewHolder()
	for began := time.Now(); time.Since(began) < hookTask; {
		more, err := j.deliverBatch(ctx, ids[0], holder)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// deliverBatch claims a batch, sends it with no transaction open, and stores how it ended. more says that
// something was delivered, so that more may be due.
func (j *Jobs) deliverBatch(ctx context.Context, id string, holder domain.ID) (more bool, err error) {
	b, err := j.Service.ClaimDeliveries(ctx, id, holder)
	if err != nil || b == nil {
		return false, err
	}
	delivered := j.sendBatch(ctx, b)
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseBeat)
	defer cancel()
	off, err := j.Service.StoreDeliveries(keep, b, holder)
	if err != nil {
		return false, err
	}
	if off != "" {
		j.Log.WarnContext(ctx, "an end point is switched off; inmail webhook list", "webhook", id, "reason", off)
	}
	return delivered > 0 && off == "" && ctx.Err() == nil, nil
}

// sendBatch sends the events of one InMail one after the other, in their order, and those of different ones
// at the same time. After a failure the others of its InMail wait. When the first tries all fail, or the time
// of the batch is over, it sends no further one. It returns how many were delivered.
func (j *Jobs) sendBatch(ctx context.Context, b *mailroom.WebhookBatch) int {
	until := time.Now().Add(mailroom.WebhookSpell)
	var delivered, failed atomic.Int64
	lanes := make(chan []int, len(b.Due))
	for _, lane := range lanesOf(b.Due) {
		lanes <- lane
	}
	close(lanes)
	var wg sync.WaitGroup
	for range min(hookParallel, len(lanes)) {
		wg.Go(func() {
			for lane := range lanes {
				for at, i := range lane {
					d := &b.Due[i]
					d.Spread = rand.Float64()
					switch {
					case d.Behind || d.Body == nil:
						continue
					case ctx.Err() != nil || time.Now().After(until),
						delivered.Load() == 0 && failed.Load() >= mailroom.WebhookDownAfter:
						putBehind(b, lane[at+1:])
						continue
					}
					d.Answer = j.Webhooks.Send(ctx, b.Message(*d))
					if ctx.Err() != nil && d.Answer.Reason != "" {
						putBehind(b, lane[at+1:]) // it was broken off here, not there
						continue
					}
					if d.Tried = true; d.Answer.Reason == "" {
						delivered.Add(1)
						continue
					}
					failed.Add(1)
					putBehind(b, lane[at+1:])
				}
			}
		})
	}
	wg.Wait()
	return int(delivered.Load())
}

// putBehind lets the others of a lane wait.
func putBehind(b *mailroom.WebhookBatch, lane []int) {
	for _, i := range lane {
		b.Due[i].Behind = true
	}
}

// lanesOf groups deliveries by what must keep its order: those of one InMail by position, each other alone.
func lanesOf(due []mailroom.DueDelivery) (lanes [][]int) {
	of := map[domain.ID]int{}
	for i, d := range due {
		lane, there := of[d.Event.InMail]
		if d.Event.InMail == "" || !there {
			lane = len(lanes)
			lanes = append(lanes, nil)
			of[d.Event.InMail] = lane
		}
		lanes[lane] = append(lanes[lane], i)
	}
	for _, lane := range lanes {
		slices.SortFunc(lane, func(a, b int) int { return cmp.Compare(due[a].Event.Position, due[b].Event.Position) })
	}
	return lanes
}

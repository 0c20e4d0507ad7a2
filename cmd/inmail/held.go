package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"inmail/config"
	"inmail/connectors/queue"
	"inmail/connectors/record"
	"inmail/domain/mailroom"
	"inmail/worker"
)

// resumeBySetting resumes a held record when after_restore says so, and else says that it is held.
func (a *app) resumeBySetting(ctx context.Context) error {
	if a.knowBeat(ctx); a.record.Held() == nil {
		_ = a.record.Beat(ctx) // a record that cannot be written is looked at again by the next
	}
	held := a.record.Held()
	if held == nil {
		return nil
	}
	if a.settings.Program.AfterRestore != config.AfterRestoreResume {
		a.log.WarnContext(ctx, "the record is held: it only reads, accepts and sends nothing", "error", held)
		return nil
	}
	done, err := a.service.Resume(ctx, mailroom.Viewer{Operator: true, KeyID: "after_restore"}, mailroom.QueuedFail)
	if err != nil {
		return err
	}
	a.log.WarnContext(ctx, "the record was held and is resumed, as after_restore says", "cause", held,
		"failed", done.Failed)
	return nil
}

// startBeats stores now and then that this process works on the record, and finds when the record is held
// and when that ends (R61). When it ends, the parts of this process that waited for it start.
func (a *app) startBeats() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for held := a.record.Held() != nil; ; {
			held = a.noteInstance(ctx, held)
			next := time.NewTimer(record.BeatEvery)
			if held || !a.working {
				next.Reset(record.HeldBeat)
			}
			select {
			case <-next.C:
			case <-ctx.Done():
				next.Stop()
				return
			}
		}
	}()
	a.stopBeats = func() { cancel(); <-done }
}

// noteInstance is one beat; wasHeld is the result of the last.
func (a *app) noteInstance(ctx context.Context, wasHeld bool) (isHeld bool) {
	ctx, cancel := context.WithTimeout(ctx, record.BeatEvery)
	defer cancel()
	a.knowBeat(ctx)
	if err := a.record.Beat(ctx); err != nil {
		a.log.DebugContext(ctx, "cannot store that the record is worked on here", "error", err) // /readyz says why
		return wasHeld
	}
	held := a.record.Held()
	if held == nil {
		a.keepBeat(ctx)
	}
	if held != nil && !wasHeld {
		a.log.WarnContext(ctx, "the record is held: it only reads, accepts and sends nothing", "error", held)
	}
	if held == nil && wasHeld {
		a.log.WarnContext(ctx, "the record is held no more")
	}
	if held != nil || a.working {
		return held != nil
	}
	err := a.service.ConnectCRMs(ctx)
	if err == nil {
		err = a.startWork(ctx)
	}
	if err != nil {
		a.log.ErrorContext(ctx, "cannot start to work on the record that was resumed; trying again", "error", err)
	}
	return false
}

// beatKept is how long Redis keeps the time of the last beat.
const beatKept = 30 * 24 * time.Hour

// keepBeat keeps the time of the last beat in Redis, which a restored PostgreSQL does not set back.
func (a *app) keepBeat(ctx context.Context) {
	key, at := a.record.LastBeat()
	if key == "" {
		return
	}
	if err := a.queue.Shared().Put(ctx, key, []byte(strconv.FormatInt(at.UnixMilli(), 10)), beatKept); err != nil {
		a.log.DebugContext(ctx, "cannot keep the time of a beat in Redis", "error", err) // /readyz says why
	}
}

// knowBeat reads what keepBeat of any process kept.
func (a *app) knowBeat(ctx context.Context) {
	key, _ := a.record.LastBeat()
	if key == "" {
		return
	}
	kept, err := a.queue.Shared().Get(ctx, key)
	if err != nil {
		a.log.DebugContext(ctx, "cannot read the time of a beat from Redis", "error", err)
	}
	if at, err := strconv.ParseInt(string(kept), 10, 64); err == nil {
		a.record.KnowBeat(time.UnixMilli(at))
	}
}

// unlessHeld returns a handler that does nothing while the record is held: what is due then is due later.
func (a *app) unlessHeld(do worker.Handler) queue.Handler {
	return func(ctx context.Context, ids []string) error {
		if a.record.Held() != nil {
			return nil
		}
		return do(ctx, ids)
	}
}

func resumeCommand(o *options) *cobra.Command {
	var afterRestore, sendQueued, direct bool
	cmd := &cobra.Command{
		Use:   "resume --after-restore",
		Short: "Let a record go on that is held, as it is a copy or was restored from a backup",
		Long: `Let a record go on that is held, as it is a copy or was restored from a backup.

A held record only reads: nothing is accepted, sent or pushed to a CRM. /readyz and the log say why it is held.
What is queued in it was accepted before the copy was made, and its original may have sent it since. So it
becomes failed, for the reason restored, and costs nothing: nothing is sent twice. With --send-queued it is sent.
That is right when nobody worked on the original after the copy was made, for instance when a stopped server
was moved to another disk.

Before you resume, see to it that the original is stopped, or that it may go on beside this one.

It asks a running server. With --direct it works on the record of the settings in force, without a server.`,
		Example: "  inmail resume --after-restore\n  inmail resume --after-restore --send-queued --direct --data ./data",
		Args:    exactly(0),
		GroupID: operatorGroup,
	}
	cmd.Flags().BoolVar(&afterRestore, "after-restore", false, "yes, what is held is to go on; must be given")
	cmd.Flags().BoolVar(&sendQueued, "send-queued", false, "send what is queued: nobody worked on the original since")
	cmd.Flags().BoolVar(&direct, "direct", false, "work on the record itself, without a server")
	queued := func() mailroom.Queued {
		if sendQueued {
			return mailroom.QueuedSend
		}
		return mailroom.QueuedFail
	}
	o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		answer, err := c.post(cmd.Context(), "/v1/record/resume", map[string]mailroom.Queued{"queued": queued()})
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, resumedAnswer.text)
	})
	ask := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !afterRestore {
			return usageError{errors.New("--after-restore must be given: see what is held, and where its original is")}
		}
		if !direct {
			return ask(cmd, args)
		}
		var done mailroom.Resumed
		err := o.onRecord(cmd.Context(), func(a *app) (err error) {
			done, err = a.service.Resume(cmd.Context(), mailroom.Viewer{Operator: true, KeyID: "direct"}, queued())
			return err
		})
		if err != nil {
			return err
		}
		answer := resumedAnswer(done)
		return o.print(cmd.OutOrStdout(), answer, answer.text())
	}
	return cmd
}

// resumedAnswer is the answer of POST /v1/record/resume.
type resumedAnswer struct {
	WasHeld bool `json:"was_held"`
	Failed  int  `json:"failed"`
	Queued  int  `json:"queued"`
}

func (r resumedAnswer) text() string {
	if !r.WasHeld {
		return "the record was not held; nothing was changed\n"
	}
	return fmt.Sprintf("the record goes on; %s queued in it failed (restored), %d are sent\n",
		count(r.Failed, "InMail"), r.Queued)
}

func holdCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hold",
		Short: "Hold a record before a server starts on it: a copy that cannot be noticed",
		Long: `Hold a record before a server starts on it: a copy that cannot be noticed.

A server holds by itself what it can know to be a copy or an older state. A snapshot of a whole disk or machine,
put back or started a second time, looks like the original. Say this before the first start on it; the record
is then held until inmail resume --after-restore.`,
		Example: "  inmail hold --data ./data",
		Args:    exactly(0),
		GroupID: operatorGroup,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := o.onRecord(cmd.Context(), func(a *app) error { return a.record.HoldNext(cmd.Context()) })
			if err != nil {
				return err
			}
			return o.print(cmd.OutOrStdout(), map[string]string{"status": "held"},
				"the record is held until inmail resume --after-restore\n")
		},
	}
	o.settingFlag(cmd, "data", "data", "data folder (./data)")
	return cmd
}

// onRecord works on the record of the settings in force, without a server.
func (o *options) onRecord(ctx context.Context, do func(*app) error) (err error) {
	s, err := o.load()
	if err != nil {
		return err
	}
	a, err := build(ctx, s, newLog(s.Program, os.Stderr))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.Stop(context.WithoutCancel(ctx))) }()
	return do(a)
}

package main

import (
	"cmp"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"inmail/connectors/queue"
)

func queueCommand(o *options) *cobra.Command {
	return commandGroup(&cobra.Command{
		Use:     "queue",
		Short:   "Look after the job queue",
		Example: "  inmail queue status\n  inmail queue failures\n  inmail queue retry",
		GroupID: operatorGroup,
	}, queueStatusCommand(o), queueFailuresCommand(o), queueRetryCommand(o))
}

func queueStatusCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "Count the tasks that wait, run and failed, by queue",
		Example: "  inmail queue status",
		Args:    exactly(0),
	}
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		answer, err := c.get(cmd.Context(), "/v1/queue/status", nil)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, queueStatusText)
	})
}

func queueStatusText(s queue.Status) string {
	t := newTable("QUEUE", "WAITING", "FOR", "RUNNING", "TO RETRY", "GIVEN UP", "DONE TODAY", "FAILED TODAY", "")
	for _, q := range s.Queues {
		oldest, paused := "", ""
		if q.Waiting > 0 {
			oldest = span(q.Oldest)
		}
		if q.Paused {
			paused = "paused"
		}
		t.row(q.Queue, fmt.Sprintf("%7d", q.Waiting), oldest, fmt.Sprintf("%7d", q.Running),
			fmt.Sprintf("%8d", q.Retry),
			fmt.Sprintf("%8d", q.Archived), fmt.Sprintf("%10d", q.Processed), fmt.Sprintf("%12d", q.Failed), paused)
	}
	workers := fmt.Sprintf("%d groups of workers, four or more in a process", s.Servers)
	if s.Servers == 0 {
		workers = "no workers: start a process with the role worker"
	}
	text := fmt.Sprintf("%s\n%s; %s\n", t, plain(s.Where), workers)
	for _, w := range s.Warnings {
		text += "warning: " + plain(w) + "\n"
	}
	return text
}

func queueFailuresCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "failures",
		Short:   "List tasks that failed: those that are tried again, and those that were given up",
		Example: "  inmail queue failures",
		Args:    exactly(0),
	}
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, _ []string) error {
		answer, err := c.get(cmd.Context(), "/v1/queue/failures", nil)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, queueFailuresText)
	})
}

func queueFailuresText(failures []queue.Failure) string {
	if len(failures) == 0 {
		return "no task has failed\n"
	}
	t := newTable("TASK", "TYPE", "ERROR", "TRIES", "LAST", "NEXT", "IDS")
	for _, f := range failures {
		next := "given up"
		if f.Next != nil {
			next = when(*f.Next)
		}
		ids := ""
		if len(f.IDs) > 0 {
			ids = f.IDs[0]
		}
		if len(f.IDs) > 1 {
			ids += fmt.Sprintf(" and %d more", len(f.IDs)-1)
		}
		t.row(f.ID, f.Type, cmp.Or(f.Class, "?"), fmt.Sprintf("%d of %d", f.Attempts, f.Limit), whenAt(f.At), next, ids)
	}
	if len(failures) == maxPage {
		t.row("…")
	}
	return t.String() + "\ninmail queue retry runs them now; the server's log has more about each error\n"
}

// whenAt formats a time to the second, since failures come close together; empty for none.
func whenAt(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2 Jan 15:04:05")
}

func queueRetryCommand(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "retry [TASK…]",
		Short:   "Run failed tasks now: those named, or all",
		Example: "  inmail queue retry",
	}
	return o.asOperator(cmd, func(cmd *cobra.Command, c *remote, args []string) error {
		body := map[string][]string{}
		if len(args) > 0 {
			body["ids"] = args
		}
		answer, err := c.post(cmd.Context(), "/v1/queue/retry", body)
		if err != nil {
			return err
		}
		return printAnswer(o, cmd, answer, retryAnswer.text)
	})
}

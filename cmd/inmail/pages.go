package main

import (
	"context"
	"fmt"
	"os"

	"inmail/connectors/httpapi"
	"inmail/connectors/queue"
	"inmail/connectors/web"
	"inmail/connectors/web/oidc"
	"inmail/domain"
	"inmail/domain/mailroom"
)

// pages builds the pages for people over the same parts as the API.
func (a *app) pages(api httpapi.Parts) (*web.Site, error) {
	parts := web.Parts{Service: a.service, Sender: api.Sender, Log: a.log, Queue: pageQueue{a.queue}, Remedies: remedies,
		Check: a.checkCRM, Beat: a.beat.Age,
		Export: func(e mailroom.Export) ([]byte, error) { return httpapi.ExportDocument(e, a.settings.Policy.AnchorDay) }}
	for _, p := range api.Probes {
		parts.Probes = append(parts.Probes, web.Probe{Name: p.Name, Check: p.Check})
	}
	if a.settings.OIDC.On() {
		provider, err := oidc.New(a.settings.OIDC, a.settings.Web.Address(), a.record.Now, a.log)
		if err != nil {
			return nil, err
		}
		a.run("single sign-on", provider.Watch)
		parts.SSO = provider
	}
	if name := a.settings.Web.Words; name != "" {
		file, err := os.Open(name)
		if err != nil {
			return nil, usageError{fmt.Errorf("settings: pages_words: %w", err)}
		}
		defer file.Close()
		parts.Words = file
	}
	return web.New(parts)
}

// checkCRM checks the org that this process is connected to.
func (a *app) checkCRM(ctx context.Context, crm domain.CRM) ([]web.Finding, error) {
	check, err := a.service.CheckCRM(ctx, crm)
	var found []web.Finding
	for _, f := range check.Findings {
		found = append(found, web.Finding{OK: f.OK, What: f.What, Detail: f.Detail, Remedy: f.Remedy})
	}
	return found, err
}

// pageQueue shows the job queue to the pages.
type pageQueue struct{ broker *queue.Broker }

// Status implements web.Queue.
func (q pageQueue) Status(ctx context.Context) (web.Jobs, error) {
	s, err := q.broker.Status(ctx)
	if err != nil {
		return web.Jobs{}, err
	}
	jobs := web.Jobs{Servers: s.Servers}
	for _, c := range s.Queues {
		jobs.Waiting += c.Waiting
		jobs.Running += c.Running
		jobs.Retry += c.Retry
		jobs.GivenUp += c.Archived
		jobs.Oldest = max(jobs.Oldest, c.Oldest)
		jobs.Queues = append(jobs.Queues, web.JobQueue{Name: c.Queue, Waiting: c.Waiting, Running: c.Running,
			Retry: c.Retry, GivenUp: c.Archived, Oldest: c.Oldest, Processed: c.Processed, Failed: c.Failed, Paused: c.Paused})
	}
	return jobs, nil
}

// Failures implements web.Queue.
func (q pageQueue) Failures(ctx context.Context, limit int) ([]web.FailedTask, error) {
	failures, err := q.broker.Failures(ctx, limit)
	var tasks []web.FailedTask
	for _, f := range failures {
		t := web.FailedTask{ID: f.ID, Queue: f.Queue, Type: f.Type, Class: f.Class, GivenUp: f.Next == nil,
			Attempts: f.Attempts, Limit: f.Limit, At: f.At}
		if f.Next != nil {
			t.Next = *f.Next
		}
		tasks = append(tasks, t)
	}
	return tasks, err
}

// Retry implements web.Queue.
func (q pageQueue) Retry(ctx context.Context, id string) error {
	if id == "" {
		_, err := queueInspector(q).Retry(ctx, nil)
		return err
	}
	_, err := queueInspector(q).Retry(ctx, []string{id})
	return err
}

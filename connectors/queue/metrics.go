package queue

import (
	"context"

	"github.com/hibiken/asynq/x/metrics"
	"github.com/prometheus/client_golang/prometheus"
)

// Collector returns Asynq's own metrics of the queues (asynq_queue_size, asynq_tasks_processed_total, …).
// While Redis is down it returns none, so that the scrape does not wait.
func (b *Broker) Collector() prometheus.Collector {
	return collector{b, metrics.NewQueueMetricsCollector(b.inspector)}
}

type collector struct {
	broker *Broker
	queues prometheus.Collector
}

// Describe describes nothing, because the series depend on Redis.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), c.broker.config.EnqueueTimeout)
	defer cancel()
	if c.broker.announce(ctx) == nil {
		c.queues.Collect(metrics)
	}
}

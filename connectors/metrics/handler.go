package metrics

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler serves the metrics of a registry. When a part cannot be gathered the scrape fails as a whole, so
// that partial figures are not taken for complete ones.
func Handler(reg prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(reg,
		promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError, Timeout: scrapeTimeout, EnableOpenMetrics: true})
}

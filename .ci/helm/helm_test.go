// Package helm checks the chart in config/deploy/helm/inmail as helm lint --strict and helm template do,
// holds what it renders against the types of Kubernetes and of the Prometheus Operator, and gives the
// settings of each container to the program. It is a module of its own so that the program does not require
// Helm. make check-chart runs it.
package helm

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

const chartFolder = "../../config/deploy/helm/inmail"

// everything is on in these values.
const everything = `
mode: scaled
image:
  repository: registry.example.com/inmail
  digest: "sha256:` + digest + `"
  pullPolicy: Always
  pullSecrets: [registry]
secret: {name: inmail-secret, also: [operator_key_next, metrics_key, salesforce.client_secret, hubspot.token, oidc.client_secret]}
config:
  public_url: https://inmail.example.com
  trusted_proxies: [10.0.0.0/8]
  metrics_tags: [q4]
  policy: {retract_opened: refuse}
  plans: {recruiter_40: {account_type: recruiter, allowance: 40}}
  salesforce: {url: https://acme.my.salesforce.com, client_id: id}
  oidc: {issuer: https://id.example.com, client_id: inmail, role_claim: groups, roles: [ops=operator]}
otel: {OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318"}
servers: {replicas: 3, autoscaling: {enabled: true, min: 3, max: 9, cpuPercent: 60}}
workers: {autoscaling: {enabled: true}}
migration: {secretKey: database_owner_url}
shutdown: {delaySeconds: 10, requestSeconds: 30, taskSeconds: 60}
service: {type: LoadBalancer, port: 443, annotations: {example.com/a: b}}
tls: {secretName: inmail-tls}
ingress:
  enabled: true
  className: nginx
  annotations: {example.com/a: b}
  hosts: [inmail.example.com]
  tlsSecretName: inmail-public
metrics:
  {podMonitor: true, job: inmail-eu, interval: 30s, labels: {release: prometheus}, serverName: inmail.example.com}
networkPolicy:
  enabled: true
  from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}}]
  to: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 443}, {port: 5432}, {port: 6379}]}]
serviceAccount: {name: inmail-runs, annotations: {example.com/a: b}}
pod:
  annotations: {example.com/a: b}
  labels: {team: sales}
  nodeSelector: {kubernetes.io/arch: amd64}
  tolerations: [{key: dedicated, operator: Exists}]
  affinity:
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone}}]
  priorityClassName: high
`

const digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

var accepted = []struct {
	name, values string
	kinds        string // what is rendered, sorted
}{
	{"the defaults", "", "ConfigMap Service ServiceAccount StatefulSet"},
	{"embedded with all that fits", `
secret: {also: [metrics_key]}
embedded: {storage: {size: 500Mi, className: fast, accessMode: ReadWriteOncePod}}
servers: {replicas: 1}
ingress: {enabled: true, hosts: [a.example.com, "*.b.example.com"]}
metrics: {podMonitor: true}
networkPolicy: {enabled: true}
`, "ConfigMap Ingress NetworkPolicy PodMonitor Service ServiceAccount StatefulSet"},
	{"scaled", "mode: scaled",
		"ConfigMap Deployment Deployment Job PodDisruptionBudget PodDisruptionBudget Service ServiceAccount"},
	{"scaled, and little else", `
mode: scaled
secret: {also: [salesforce.jwt_key]}
config: {salesforce: {url: "https://acme.my.salesforce.com", client_id: id, username: u@example.com}}
migration: {enabled: false}
podDisruptionBudget: {enabled: false}
serviceAccount: {create: false, name: theirs}
shutdown: {delaySeconds: 0, requestSeconds: 0, taskSeconds: 0}
pod: {spread: false}
`, "ConfigMap Deployment Deployment Service"},
	{"everything", everything, "ConfigMap Deployment Deployment HorizontalPodAutoscaler " +
		"HorizontalPodAutoscaler Ingress Job " +
		"NetworkPolicy PodDisruptionBudget PodDisruptionBudget PodMonitor Service ServiceAccount"},
}

// TestLint looks at the chart as helm lint --strict does: no message of any severity.
func TestLint(t *testing.T) {
	for _, c := range accepted {
		t.Run(c.name, func(t *testing.T) {
			for _, m := range lint.RunAll(chartFolder, values(t, c.values), "sales").Messages {
				t.Error(m)
			}
		})
	}
}

// TestTemplate renders the chart as helm template does, and holds the objects against their types and
// against each other.
func TestTemplate(t *testing.T) {
	for _, c := range accepted {
		t.Run(c.name, func(t *testing.T) {
			files, err := render(t, c.values)
			if err != nil {
				t.Fatal(err)
			}
			r := &release{t: t}
			for name, text := range files {
				if !strings.HasSuffix(name, ".yaml") {
					continue
				}
				for document := range strings.SplitSeq(text, "\n---") {
					r.add(name, document)
				}
			}
			slices.Sort(r.kinds)
			if got := strings.Join(r.kinds, " "); got != c.kinds {
				t.Errorf("rendered %s, want %s", got, c.kinds)
			}
			r.checkPods()
			r.checkSelectors()
			r.checkNotes(files["inmail/templates/NOTES.txt"])
		})
	}
}

// TestReadme renders the chart with the values of README.md in config/deploy.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../../config/deploy/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, values, _ := strings.Cut(string(text), "```yaml\n")
	values, _, found := strings.Cut(values, "```")
	if !found || !strings.Contains(values, "mode: scaled") {
		t.Fatalf("the README has the values %q", values)
	}
	if _, err := render(t, values); err != nil {
		t.Error(err)
	}
}

// TestRefused checks that what is wrong is refused with a word for it, before anything reaches a cluster.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct{ values, says string }{
		"two replicas of embedded mode":       {"servers: {replicas: 2}", "servers.replicas: 2; mode: embedded is one process"},
		"two workers of embedded mode":        {"workers: {replicas: 2}", "workers.replicas: 2; mode: embedded is one process"},
		"embedded mode that grows":            {"servers: {autoscaling: {enabled: true}}", "cannot be scaled"},
		"a mode that is none":                 {"mode: cluster", "mode"},
		"a value that is none":                {"replicas: 2", "replicas"},
		"a value that is none, further down":  {"servers: {replica: 2}", "replica"},
		"no replica":                          {"mode: scaled\nservers: {replicas: 0}", "replicas"},
		"a number as text":                    {"service: {port: '80'}", "port"},
		"a port that is none":                 {"service: {port: 70000}", "port"},
		"a tag that is empty":                 {"image: {tag: ''}", "tag"},
		"a digest that is none":               {"image: {digest: 'sha256:1'}", "digest"},
		"a secret among the settings":         {"config: {operator_key: 0123456789abcdef}", "operator_key"},
		"a secret among Salesforce's":         {"config: {salesforce: {client_secret: s}}", "client_secret"},
		"a secret among HubSpot's":            {"config: {hubspot: {token: s}}", "token"},
		"a secret of single sign-on":          {"config: {oidc: {client_secret: s}}", "client_secret"},
		"a database among the settings":       {"config: {database_url: 'postgres://u:p@h/d'}", "database_url"},
		"a setting that the chart makes":      {"config: {listen: '0.0.0.0:80'}", "listen"},
		"a secret that the program lacks":     {"secret: {also: [password]}", "also"},
		"a variable that is no OpenTelemetry": {"otel: {INMAIL_TIME_TRAVEL: '1'}", "INMAIL_TIME_TRAVEL"},
		"an ingress that leads nowhere":       {"ingress: {enabled: true}\nsecret: {also: [metrics_key]}", "ingress.hosts"},
		"an ingress with public metrics":      {"ingress: {enabled: true, hosts: [a.example.com]}", "metrics_key"},
		"no service account":                  {"serviceAccount: {create: false}", "serviceAccount.name"},
		"more at least than at most": {"mode: scaled\nservers: {autoscaling: {enabled: true, min: 5, max: 4}}",
			"min 5 is above max 4"},
		"a size that is none":    {"embedded: {storage: {size: much}}", "size"},
		"a job of another name":  {"metrics: {job: sales}", "job"},
		"shared storage":         {"embedded: {storage: {accessMode: ReadWriteMany}}", "accessMode"},
		"a stop without an end":  {"shutdown: {taskSeconds: 6000}", "taskSeconds"},
		"a name that is not one": {"tls: {secretName: 'Inmail TLS'}", "secretName"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := render(t, c.values); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want it refused with %q", err, c.says)
			}
		})
	}
}

// TestEveryValueIsDocumented holds values.yaml and values.schema.json against each other: the same names,
// each described, and nothing else accepted.
func TestEveryValueIsDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(chartFolder, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var root schema
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	chart, err := loader.LoadDir(chartFolder)
	if err != nil {
		t.Fatal(err)
	}
	delete(root.Properties, "global") // Helm gives it to every chart
	root.compare(t, "", chart.Values)
	if got := len(root.Properties); got < 15 {
		t.Errorf("only %d values were looked at", got)
	}
}

// schema is what is looked at of a schema.
type schema struct {
	Description          string            `json:"description"`
	Properties           map[string]schema `json:"properties"`
	AdditionalProperties any               `json:"additionalProperties"`
}

func (s schema) compare(t *testing.T, path string, value any) {
	t.Helper()
	if s.Description == "" {
		t.Errorf("%s has no description", path)
	}
	if s.AdditionalProperties != false {
		return // a map of the operator's own
	}
	given, _ := value.(map[string]any)
	for name := range given {
		if _, ok := s.Properties[name]; !ok {
			t.Errorf("the schema has no %s.%s", path, name)
		}
	}
	for name, property := range s.Properties {
		v, ok := given[name]
		if !ok {
			t.Errorf("values.yaml has no %s.%s", path, name)
		}
		property.compare(t, path+"."+name, v)
	}
}

// values reads values as Helm reads a file of them.
func values(t *testing.T, text string) map[string]any {
	t.Helper()
	given := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(text), &given); err != nil {
		t.Fatal(err)
	}
	return given
}

// render is helm template: values against their schema, then every template.
func render(t *testing.T, text string) (map[string]string, error) {
	t.Helper()
	chart, err := loader.LoadDir(chartFolder)
	if err != nil {
		t.Fatal(err)
	}
	all, err := util.ToRenderValues(chart, values(t, text),
		common.ReleaseOptions{Name: "sales", Namespace: "sales", Revision: 1, IsInstall: true}, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: true}.Render(chart, all)
}

// release is the objects that were rendered.
type release struct {
	t          *testing.T
	kinds      []string
	names      []string // kind/name
	configMaps map[string]string
	pods       []pod
	selectors  []selector
}

// pod is a pod's template with what made it.
type pod struct {
	from     string
	template core.PodTemplateSpec
	claims   []string // volumes that its StatefulSet makes
}

// selector is a selector of pods, and the names of ports that it wants there.
type selector struct {
	from   string
	labels *meta.LabelSelector
	ports  []string
}

// scraped is the two ends of a PodMonitor with their jobs.
var scraped = regexp.MustCompile(`^\[/metrics (inmail[a-z-]*) /metrics/domain (inmail[a-z-]*)-domain]$`)

// add decodes one document into the type that it says it is. A field that the type lacks is refused, and so
// is one that is given twice.
func (r *release) add(file, document string) {
	r.t.Helper()
	var head meta.TypeMeta
	if err := yaml.Unmarshal([]byte(document), &head); err != nil {
		r.t.Fatalf("%s: %v\n%s", file, err, document)
	}
	if head.Kind == "" {
		if content := strings.TrimSpace(document); content != "" {
			r.t.Errorf("%s: an object without a kind: %s", file, content)
		}
		return
	}
	object := map[string]meta.Object{
		"v1 ConfigMap": &core.ConfigMap{}, "v1 Service": &core.Service{}, "v1 ServiceAccount": &core.ServiceAccount{},
		"apps/v1 Deployment": &apps.Deployment{}, "apps/v1 StatefulSet": &apps.StatefulSet{}, "batch/v1 Job": &batch.Job{},
		"policy/v1 PodDisruptionBudget": &policy.PodDisruptionBudget{}, "networking.k8s.io/v1 Ingress": &networking.Ingress{},
		"networking.k8s.io/v1 NetworkPolicy":     &networking.NetworkPolicy{},
		"autoscaling/v2 HorizontalPodAutoscaler": &autoscaling.HorizontalPodAutoscaler{},
		"monitoring.coreos.com/v1 PodMonitor":    &monitoring.PodMonitor{},
	}[head.APIVersion+" "+head.Kind]
	if object == nil {
		r.t.Fatalf("%s: there is no type for %s %s", file, head.APIVersion, head.Kind)
	}
	if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
		r.t.Fatalf("%s, %s: %v\n%s", file, head.Kind, err, document)
	}
	name := head.Kind + "/" + object.GetName()
	if object.GetName() == "" || slices.Contains(r.names, name) {
		r.t.Errorf("%s: %q has no name, or that of another", file, name)
	}
	if object.GetLabels()["app.kubernetes.io/instance"] != "sales" {
		r.t.Errorf("%s lacks the labels of the release", name)
	}
	r.kinds, r.names = append(r.kinds, head.Kind), append(r.names, name)
	switch o := object.(type) {
	case *core.ConfigMap:
		r.configMaps = map[string]string{o.Name: o.Data["inmail.yaml"]}
	case *core.Service:
		r.selectors = append(r.selectors, selector{name, &meta.LabelSelector{MatchLabels: o.Spec.Selector},
			[]string{o.Spec.Ports[0].TargetPort.StrVal}})
	case *apps.Deployment:
		r.pods = append(r.pods, pod{from: name, template: o.Spec.Template})
		r.selectors = append(r.selectors, selector{from: name, labels: o.Spec.Selector})
	case *apps.StatefulSet:
		p := pod{from: name, template: o.Spec.Template}
		for _, claim := range o.Spec.VolumeClaimTemplates {
			p.claims = append(p.claims, claim.Name)
		}
		r.pods = append(r.pods, p)
		r.selectors = append(r.selectors, selector{from: name, labels: o.Spec.Selector})
		if *o.Spec.Replicas != 1 {
			r.t.Errorf("%s has %d replicas", name, *o.Spec.Replicas)
		}
	case *batch.Job:
		r.pods = append(r.pods, pod{from: name, template: o.Spec.Template})
		if got := o.Annotations["helm.sh/hook"]; got != "pre-install,pre-upgrade" {
			r.t.Errorf("%s runs %s", name, got)
		}
	case *policy.PodDisruptionBudget:
		r.selectors = append(r.selectors, selector{from: name, labels: o.Spec.Selector})
	case *networking.NetworkPolicy:
		r.selectors = append(r.selectors, selector{name, &o.Spec.PodSelector,
			[]string{o.Spec.Ingress[0].Ports[0].Port.StrVal}})
	case *monitoring.PodMonitor:
		var jobs []string
		for _, end := range o.Spec.PodMetricsEndpoints {
			r.selectors = append(r.selectors, selector{name, &o.Spec.Selector, []string{*end.Port}})
			jobs = append(jobs, end.Path+" "+*end.RelabelConfigs[0].Replacement)
		}
		if m := scraped.FindStringSubmatch(fmt.Sprint(jobs)); m == nil || m[1] != m[2] {
			r.t.Errorf("%s has the jobs %v", name, jobs)
		}
	}
}

// checkPods holds each pod against what it refers to, against what every pod must be, and against the
// program.
func (r *release) checkPods() {
	r.t.Helper()
	for _, p := range r.pods {
		spec := p.template.Spec
		fault := func(format string, args ...any) {
			r.t.Helper()
			r.t.Errorf(p.from+": "+format, args...)
		}
		if *spec.AutomountServiceAccountToken || *spec.EnableServiceLinks || !*spec.SecurityContext.RunAsNonRoot ||
			spec.SecurityContext.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault {
			fault("the pod may more than it needs")
		}
		account := spec.ServiceAccountName
		if account != "" && account != "theirs" && !slices.Contains(r.names, "ServiceAccount/"+account) {
			fault("there is no service account %s", account)
		}
		volumes := slices.Clone(p.claims)
		for _, v := range spec.Volumes {
			volumes = append(volumes, v.Name)
			if v.ConfigMap != nil {
				if _, ok := r.configMaps[v.ConfigMap.Name]; !ok {
					fault("there is no ConfigMap %s", v.ConfigMap.Name)
				}
			}
			if v.Secret != nil && v.Name != "tls" && len(v.Secret.Items) == 0 {
				fault("it reads all keys of %s", v.Secret.SecretName)
			}
		}
		c := spec.Containers[0]
		if may := c.SecurityContext; *may.AllowPrivilegeEscalation || !*may.ReadOnlyRootFilesystem || !*may.RunAsNonRoot ||
			!reflect.DeepEqual(may.Capabilities.Drop, []core.Capability{"ALL"}) {
			fault("the container may more than it needs")
		}
		if least := c.Resources.Requests; least.Memory().IsZero() || least.Cpu().IsZero() || c.Resources.Limits.Memory().IsZero() {
			fault("its resources are %v", c.Resources)
		}
		for _, m := range c.VolumeMounts {
			if !slices.Contains(volumes, m.Name) {
				fault("there is no volume %s", m.Name)
			}
		}
		for i, v := range spec.Volumes { // each is used
			if !slices.ContainsFunc(c.VolumeMounts, func(m core.VolumeMount) bool { return m.Name == spec.Volumes[i].Name }) {
				fault("nobody reads the volume %s", v.Name)
			}
		}
		r.checkSettings(p)
		if strings.HasPrefix(p.from, "Job/") {
			continue
		}
		for path, probe := range map[string]*core.Probe{"/livez": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
			if probe.HTTPGet.Path != path || probe.HTTPGet.Port.StrVal != c.Ports[0].Name {
				fault("it is probed by %v", probe.HTTPGet)
			}
		}
		if c.StartupProbe == nil {
			fault("a long start is not waited for")
		}
	}
}

// finding is what the program says of settings.
type finding struct {
	Settings []struct{ Name, Value string }
	Unknown  []string
	Warnings []string
}

// urls are secrets that are more than a key.
var urls = map[string]string{"database_url": "postgres://u:p@db/inmail?sslmode=verify-full",
	"redis_url": "rediss://redis:6379/0"}

// checkSettings lets inmail config check read the settings of a container, with files in the place of its
// volumes, and compares the time that the program takes to stop with the time that the pod has.
func (r *release) checkSettings(p pod) {
	r.t.Helper()
	folder := r.t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(folder, strings.ReplaceAll(name, "/", "_"))
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			r.t.Fatal(err)
		}
		return file
	}
	c := p.template.Spec.Containers[0]
	keys := []string{}
	for _, v := range p.template.Spec.Volumes {
		if v.Name == "secret" {
			for _, item := range v.Secret.Items {
				keys = append(keys, "/etc/inmail/secret/"+item.Path)
			}
		}
	}
	var environment []string
	for _, e := range c.Env {
		value := e.Value
		if strings.HasPrefix(value, "/etc/inmail/secret/") {
			if !slices.Contains(keys, value) {
				r.t.Errorf("%s: %s names %s, which is not mounted", p.from, e.Name, value)
			}
			value = write(value, cmp.Or(urls[filepath.Base(value)], "key-"+e.Name))
		}
		if e.ValueFrom != nil {
			r.t.Errorf("%s: %s is no plain value", p.from, e.Name)
		}
		environment = append(environment, e.Name+"="+value)
	}
	arguments := []string{"config", "check", "--json"}
	serve := c.Args[0] == "serve"
	if serve {
		config := r.configMaps[p.template.Spec.Volumes[0].ConfigMap.Name]
		arguments = append(arguments, "--config", write("inmail.yaml", config))
		environment = append(environment, "INMAIL_ROLES="+c.Args[len(c.Args)-1])
	}
	cmd := exec.Command(os.Getenv("INMAIL_TEST_PROGRAM"), arguments...)
	cmd.Env = environment
	var says strings.Builder
	cmd.Stderr = &says
	out, err := cmd.Output()
	var found finding
	if err == nil {
		err = json.Unmarshal(out, &found)
	}
	if err != nil || len(found.Unknown) > 0 || len(found.Settings) == 0 {
		r.t.Errorf("%s: inmail config check: %v, unknown %v\n%s%s", p.from, err, found.Unknown, says.String(), out)
		return
	}
	if !serve {
		return
	}
	setting := map[string]string{}
	for _, s := range found.Settings {
		setting[s.Name] = s.Value
	}
	needs := 10 * time.Second // what the program gives itself beside the two
	for _, name := range []string{"shutdown_timeout", "queue_grace"} {
		d, err := time.ParseDuration(setting[name])
		if err != nil {
			r.t.Fatal(err)
		}
		needs += d
	}
	if c.Lifecycle != nil {
		needs += time.Duration(c.Lifecycle.PreStop.Sleep.Seconds) * time.Second
	}
	if has := time.Duration(*p.template.Spec.TerminationGracePeriodSeconds) * time.Second; has <= needs {
		r.t.Errorf("%s: a stop may take %s, and the pod has %s", p.from, needs, has)
	}
	https := strings.Contains(strings.Join(environment, " "), "INMAIL_TLS_CERT=")
	if https != (c.ReadinessProbe.HTTPGet.Scheme == "HTTPS") {
		r.t.Errorf("%s is probed by %s", p.from, c.ReadinessProbe.HTTPGet.Scheme)
	}
}

// checkSelectors checks that each selector finds a pod that has the ports it names.
func (r *release) checkSelectors() {
	r.t.Helper()
	for _, s := range r.selectors {
		wants, err := meta.LabelSelectorAsSelector(s.labels)
		if err != nil {
			r.t.Fatal(err)
		}
		found := 0
		for _, p := range r.pods {
			if !wants.Matches(labels.Set(p.template.Labels)) {
				continue
			}
			if strings.HasPrefix(p.from, "Job/") {
				if !strings.HasPrefix(s.from, "NetworkPolicy/") {
					r.t.Errorf("%s takes the migration for one of its pods", s.from)
				}
				continue
			}
			found++
			for _, port := range s.ports {
				if p.template.Spec.Containers[0].Ports[0].Name != port {
					r.t.Errorf("%s wants the port %s of %s", s.from, port, p.from)
				}
			}
		}
		if found == 0 {
			r.t.Errorf("%s finds no pod", s.from)
		}
	}
}

// checkNotes checks that the commands of the notes name objects of the release, and commands of the
// program.
func (r *release) checkNotes(notes string) {
	r.t.Helper()
	for _, m := range regexp.MustCompile(`(statefulset|deployment|service)/([-a-z]+)`).FindAllStringSubmatch(notes, -1) {
		kind := map[string]string{"statefulset": "StatefulSet", "deployment": "Deployment", "service": "Service"}[m[1]]
		if !slices.Contains(r.names, kind+"/"+m[2]) {
			r.t.Errorf("the notes name %s, which is not made", m[0])
		}
	}
	commands := regexp.MustCompile(`-- /inmail ([a-z ]+[a-z])`).FindAllStringSubmatch(notes, -1)
	if len(commands) < 2 {
		r.t.Errorf("the notes have the commands %v", commands)
	}
	for _, m := range commands {
		out, err := exec.Command(os.Getenv("INMAIL_TEST_PROGRAM"), append(strings.Fields(m[1]), "--help")...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "inmail "+m[1]) {
			r.t.Errorf("inmail %s: %v\n%s", m[1], err, out)
		}
	}
}

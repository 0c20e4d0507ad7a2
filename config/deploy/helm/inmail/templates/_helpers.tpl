{{- define "inmail.fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "inmail.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "inmail.labels" -}}
{{ include "inmail.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "inmail.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag }}{{ end }}
{{- end }}

{{- define "inmail.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (ternary (include "inmail.fullname" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- /* The settings whose values are files of the Secret. */}}
{{- define "inmail.secrets" -}}
{{- $all := list "operator_key" }}
{{- if eq .Values.mode "scaled" }}{{ $all = concat $all (list "database_url" "redis_url") }}{{ end }}
{{- concat $all .Values.secret.also | uniq | toJson }}
{{- end }}

{{- /* What does not go together. */}}
{{- define "inmail.check" -}}
{{- if eq .Values.mode "embedded" }}
{{- if or .Values.servers.autoscaling.enabled .Values.workers.autoscaling.enabled }}
{{- fail "mode: embedded is one process on one SQLite file and cannot be scaled; set mode: scaled, with PostgreSQL and Redis, or autoscaling.enabled: false" }}
{{- end }}
{{- range $kind, $v := dict "servers" .Values.servers "workers" .Values.workers }}
{{- if gt (int (get $v "replicas")) 1 }}
{{- fail (printf "%s.replicas: %d; mode: embedded is one process on one SQLite file; set mode: scaled, with PostgreSQL and Redis, or leave it out" $kind (int (get $v "replicas"))) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $kind, $v := dict "servers" .Values.servers "workers" .Values.workers }}
{{- if gt (int $v.autoscaling.min) (int $v.autoscaling.max) }}
{{- fail (printf "%s.autoscaling: min %d is above max %d" $kind (int $v.autoscaling.min) (int $v.autoscaling.max)) }}
{{- end }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "ingress.hosts: names no host; list those that lead here" }}
{{- end }}
{{- if and .Values.ingress.enabled (not (has "metrics_key" .Values.secret.also)) }}
{{- fail "ingress.enabled: /metrics would be public; put a metrics_key into the Secret and into secret.also" }}
{{- end }}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) }}
{{- fail "serviceAccount.name: name the one that is there, or set serviceAccount.create: true" }}
{{- end }}
{{- end }}

{{- define "inmail.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "inmail.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- /* A pod: dict "root" $ "component" "server" "roles" "api" "resources" {} */}}
{{- define "inmail.pod" -}}
{{- $v := .root.Values }}
{{- $scheme := ternary "HTTPS" "HTTP" (ne $v.tls.secretName "") }}
metadata:
  annotations:
    checksum/config: {{ $v.config | toJson | sha256sum }}
    {{- with $v.pod.annotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  labels:
    {{- with $v.pod.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- include "inmail.selector" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  serviceAccountName: {{ include "inmail.serviceAccount" .root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ add $v.shutdown.delaySeconds $v.shutdown.requestSeconds $v.shutdown.taskSeconds 20 }}
  securityContext:
    {{- include "inmail.podSecurityContext" .root | nindent 4 }}
  {{- with $v.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  containers:
    - name: inmail
      image: {{ include "inmail.image" .root | quote }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      args: [serve, --config, /etc/inmail/inmail.yaml, --roles, {{ .roles | quote }}]
      env:
        - {name: INMAIL_LISTEN, value: "0.0.0.0:8080"}
        - {name: INMAIL_LOG, value: json}
        - {name: INMAIL_SHUTDOWN_TIMEOUT, value: "{{ $v.shutdown.requestSeconds }}s"}
        - {name: INMAIL_QUEUE_GRACE, value: "{{ $v.shutdown.taskSeconds }}s"}
        {{- range include "inmail.secrets" .root | fromJsonArray }}
        - {name: INMAIL_{{ . | upper | replace "." "_" }}_FILE, value: /etc/inmail/secret/{{ . }}}
        {{- end }}
        {{- if $v.tls.secretName }}
        - {name: INMAIL_TLS_CERT, value: /etc/inmail/tls/tls.crt}
        - {name: INMAIL_TLS_KEY, value: /etc/inmail/tls/tls.key}
        {{- end }}
        {{- if eq $v.mode "embedded" }}
        - {name: INMAIL_PUBLIC, value: "true"}
        - {name: INMAIL_DATA, value: /data/inmail}
        {{- else }}
        - {name: INMAIL_DATABASE_MIGRATE, value: {{ not $v.migration.enabled | quote }}}
        {{- end }}
        {{- range $name, $value := $v.otel }}
        - {name: {{ $name }}, value: {{ $value | quote }}}
        {{- end }}
      ports:
        - {name: http, containerPort: 8080}
      startupProbe:
        httpGet: {path: /livez, port: http, scheme: {{ $scheme }}}
        periodSeconds: 2
        timeoutSeconds: 5
        failureThreshold: {{ max 1 (div $v.startupSeconds 2) }}
      livenessProbe:
        httpGet: {path: /livez, port: http, scheme: {{ $scheme }}}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: http, scheme: {{ $scheme }}}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 2
      {{- if $v.shutdown.delaySeconds }}
      lifecycle:
        preStop:
          sleep: {seconds: {{ $v.shutdown.delaySeconds }}}
      {{- end }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      securityContext:
        {{- include "inmail.securityContext" .root | nindent 8 }}
      volumeMounts:
        - {name: config, mountPath: /etc/inmail/inmail.yaml, subPath: inmail.yaml, readOnly: true}
        - {name: secret, mountPath: /etc/inmail/secret, readOnly: true}
        {{- if $v.tls.secretName }}
        - {name: tls, mountPath: /etc/inmail/tls, readOnly: true}
        {{- end }}
        {{- if eq $v.mode "embedded" }}
        - {name: data, mountPath: /data}
        {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "inmail.fullname" .root }}}
    - name: secret
      secret:
        secretName: {{ $v.secret.name }}
        defaultMode: 0440
        items:
          {{- range include "inmail.secrets" .root | fromJsonArray }}
          - {key: {{ . }}, path: {{ . }}}
          {{- end }}
    {{- if $v.tls.secretName }}
    - name: tls
      secret: {secretName: {{ $v.tls.secretName }}, defaultMode: 0440}
    {{- end }}
  {{- include "inmail.placement" . | nindent 2 }}
{{- end }}

{{- /* Where a pod runs. */}}
{{- define "inmail.placement" -}}
{{- $v := .root.Values }}
{{- with $v.pod.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.pod.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.pod.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- if and $v.pod.spread (eq $v.mode "scaled") }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "inmail.selector" $.root | nindent 8 }}
        app.kubernetes.io/component: {{ $.component }}
  {{- end }}
{{- end }}
{{- end }}

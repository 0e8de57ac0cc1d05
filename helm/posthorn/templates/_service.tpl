{{/*
One template for all five services. Secrets and egress settings go only to the services that use them.
*/}}

{{/* What the services are, which settings each takes besides the shared ones, and which consumers tell how far it lags. */}}
{{- define "posthorn.services" -}}
ingest: { public: true }
fan-out: { consumers: { fan-out: EVENTS } }
delivery: { secretsKey: true, egress: true, deliveries: true, consumers: { delivery: JOBS, delivery-retries: RETRIES } }
log-writer: { store: true, consumers: { log-writer: ATTEMPTS, event-archive: EVENTS } }
admin: { public: true, store: true, secretsKey: true, egress: true, operatorToken: true }
{{- end }}

{{- define "posthorn.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* Takes a dict: root, service. */}}
{{- define "posthorn.selector" -}}
app.kubernetes.io/name: posthorn
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .service }}
{{- end }}

{{- define "posthorn.labels" -}}
{{ include "posthorn.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* One variable from the existing Secret. Takes a dict: root, name, key. */}}
{{- define "posthorn.fromSecret" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .root.Values.existingSecret }}
      key: {{ .key }}
{{- end }}

{{/* What deliveries may reach. Takes the root. */}}
{{- define "posthorn.egress" -}}
- name: POSTHORN_ALLOW_HTTP
  value: {{ .Values.egress.allowHttp | quote }}
- name: POSTHORN_EGRESS_ALLOW
  value: {{ join "," .Values.egress.allow | quote }}
{{- with .Values.egress.dnsServers }}
- name: POSTHORN_DNS_SERVERS
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}

{{/* How deliveries get out. Takes the root. */}}
{{- define "posthorn.wayOut" -}}
{{- if .Values.egress.proxy }}
{{ include "posthorn.fromSecret" (dict "root" . "name" "POSTHORN_EGRESS_PROXY" "key" "egress-proxy") }}
{{- end }}
{{- if .Values.egress.caSecret }}
- name: POSTHORN_EGRESS_CA
  value: /etc/posthorn/egress-ca/ca.crt
{{- end }}
{{- end }}

{{- define "posthorn.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "posthorn.name" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "posthorn.image" -}}
{{- $image := .Values.image -}}
image: {{ printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) | quote }}
imagePullPolicy: {{ $image.pullPolicy }}
{{- end }}

{{/* The least number of pods that a service is meant to have. Takes a dict: values. */}}
{{- define "posthorn.fewest" -}}
{{- if .values.autoscaling.enabled -}}{{ .values.autoscaling.minReplicas }}{{- else -}}{{ .values.replicas }}{{- end -}}
{{- end }}

{{/* Grow quickly; shrink slowly, since a lag that is worked off may come back. */}}
{{- define "posthorn.scalingBehaviour" -}}
scaleUp:
  stabilizationWindowSeconds: 15
scaleDown:
  stabilizationWindowSeconds: 300
  policies:
    - { type: Percent, value: 25, periodSeconds: 60 }
{{- end }}

{{- define "posthorn.podAnnotations" -}}
# A changed setting restarts the pods.
checksum/settings: {{ include (print .Template.BasePath "/configmap.yaml") . | sha256sum }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "posthorn.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "posthorn.probes" -}}
ports:
  - { name: http, containerPort: 8080, protocol: TCP }
livenessProbe:
  httpGet: { path: /live, port: http }
  periodSeconds: 10
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /ready, port: http }
  periodSeconds: 2
{{- end }}

{{/* What all pods have in common but their containers. Takes a dict: root, service. */}}
{{- define "posthorn.podSpec" -}}
{{- $root := .root -}}
terminationGracePeriodSeconds: 75
serviceAccountName: {{ include "posthorn.serviceAccount" $root }}
automountServiceAccountToken: false
# Kubernetes would otherwise add POSTHORN_…_SERVICE_HOST and the like to every process.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: { type: RuntimeDefault }
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $root.Values.topologySpread.enabled }}
topologySpreadConstraints:
  {{- range $root.Values.topologySpread.keys }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ $root.Values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "posthorn.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The variables of one service. Takes a dict: root, service, takes, values. */}}
{{- define "posthorn.env" -}}
{{- $root := .root -}}
{{- if $root.Values.nats.credentialsSecret }}
- name: POSTHORN_NATS_CREDS
  value: /etc/posthorn/credentials/creds
{{- end }}
{{- if $root.Values.nats.caSecret }}
- name: POSTHORN_NATS_TLS_CA
  value: /etc/posthorn/ca/ca.crt
{{- end }}
{{- if .takes.store }}
{{ include "posthorn.fromSecret" (dict "root" $root "name" "POSTHORN_STORE_URL" "key" "store-url") }}
{{- end }}
{{- if .takes.secretsKey }}
{{ include "posthorn.fromSecret" (dict "root" $root "name" "POSTHORN_SECRETS_KEY" "key" "secrets-key") }}
{{- end }}
{{- if .takes.operatorToken }}
{{ include "posthorn.fromSecret" (dict "root" $root "name" "POSTHORN_OPERATOR_TOKEN" "key" "operator-token") }}
{{- end }}
{{- if .takes.egress }}
{{ include "posthorn.egress" $root }}
{{- end }}
{{- if .takes.deliveries }}
{{- include "posthorn.wayOut" $root }}
{{- end }}
{{- if .values.places }}
- name: {{ printf "POSTHORN_%s_PLACES" (upper (replace "-" "_" .service)) }}
  value: {{ .values.places | quote }}
{{- end }}
{{- if $root.Values.telemetry.headers }}
{{ include "posthorn.fromSecret" (dict "root" $root "name" "OTEL_EXPORTER_OTLP_HEADERS" "key" "otlp-headers") }}
{{- end }}
{{- with $root.Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The pod of one service. Takes a dict: root, service, takes, values. */}}
{{- define "posthorn.pod" -}}
{{- $root := .root -}}
metadata:
  labels:
    {{- include "posthorn.labels" . | nindent 4 }}
  annotations:
    {{- include "posthorn.podAnnotations" $root | nindent 4 }}
spec:
  {{- include "posthorn.podSpec" . | nindent 2 }}
  containers:
    - name: {{ .service }}
      {{- include "posthorn.image" $root | nindent 6 }}
      command: [{{ printf "posthorn-%s" .service | quote }}]
      envFrom:
        - configMapRef:
            name: {{ include "posthorn.name" $root }}
      {{- with include "posthorn.env" . | trim }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      {{- include "posthorn.probes" . | nindent 6 }}
      {{- with .values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "posthorn.containerSecurity" . | nindent 8 }}
      {{- with include "posthorn.mounts" . | trim }}
      volumeMounts:
        {{- . | nindent 8 }}
      {{- end }}
  {{- with include "posthorn.volumes" . | trim }}
  volumes:
    {{- . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* Where a service finds files. Takes a dict: root, takes. */}}
{{- define "posthorn.mounts" -}}
{{- if .root.Values.nats.credentialsSecret }}
- { name: credentials, mountPath: /etc/posthorn/credentials, readOnly: true }
{{- end }}
{{- if .root.Values.nats.caSecret }}
- { name: ca, mountPath: /etc/posthorn/ca, readOnly: true }
{{- end }}
{{- if and .takes.deliveries .root.Values.egress.caSecret }}
- { name: egress-ca, mountPath: /etc/posthorn/egress-ca, readOnly: true }
{{- end }}
{{- end }}

{{/* The files of a service. Takes a dict: root, service, takes. */}}
{{- define "posthorn.volumes" -}}
{{- with .root.Values.nats.credentialsSecret }}
- name: credentials
  secret:
    secretName: {{ . }}
    items: [{ key: {{ ternary (printf "%s.creds" $.service) "creds" $.root.Values.nats.credentialsPerService }}, path: creds }]
{{- end }}
{{- with .root.Values.nats.caSecret }}
- name: ca
  secret: { secretName: {{ . }} }
{{- end }}
{{- if .takes.deliveries }}
{{- with .root.Values.egress.caSecret }}
- name: egress-ca
  secret: { secretName: {{ . }} }
{{- end }}
{{- end }}
{{- end }}

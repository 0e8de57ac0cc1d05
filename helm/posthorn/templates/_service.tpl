{{/*
One template for all five services. Secrets and egress settings go only to the services that use them.
*/}}

{{/* What the services are, and which settings each takes besides the shared ones. */}}
{{- define "posthorn.services" -}}
ingest: { public: true }
fan-out: {}
delivery: { secretsKey: true, egress: true }
log-writer: { store: true }
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
- name: POSTHORN_ALLOW_HTTP
  value: {{ $root.Values.egress.allowHttp | quote }}
- name: POSTHORN_EGRESS_ALLOW
  value: {{ join "," $root.Values.egress.allow | quote }}
{{- end }}
{{- if .values.places }}
- name: {{ printf "POSTHORN_%s_PLACES" (upper (replace "-" "_" .service)) }}
  value: {{ .values.places | quote }}
{{- end }}
{{- end }}

{{/* The pod of one service. Takes a dict: root, service, takes, values. */}}
{{- define "posthorn.pod" -}}
{{- $root := .root -}}
metadata:
  labels:
    {{- include "posthorn.labels" . | nindent 4 }}
  annotations:
    # A changed setting restarts the pods.
    checksum/settings: {{ include (print $root.Template.BasePath "/configmap.yaml") $root | sha256sum }}
    {{- with $root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  terminationGracePeriodSeconds: 75
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
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .service }}
      {{- $image := $root.Values.image }}
      image: {{ printf "%s:%s" $image.repository (default $root.Chart.AppVersion $image.tag) | quote }}
      imagePullPolicy: {{ $image.pullPolicy }}
      command: [{{ printf "posthorn-%s" .service | quote }}]
      envFrom:
        - configMapRef:
            name: {{ include "posthorn.name" $root }}
      {{- with include "posthorn.env" . | trim }}
      env:
        {{- . | nindent 8 }}
      {{- end }}
      ports:
        - { name: http, containerPort: 8080, protocol: TCP }
      livenessProbe:
        httpGet: { path: /live, port: http }
        periodSeconds: 10
        failureThreshold: 6
      readinessProbe:
        httpGet: { path: /ready, port: http }
        periodSeconds: 2
      {{- with .values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      {{- if or $root.Values.nats.credentialsSecret $root.Values.nats.caSecret }}
      volumeMounts:
        {{- if $root.Values.nats.credentialsSecret }}
        - { name: credentials, mountPath: /etc/posthorn/credentials, readOnly: true }
        {{- end }}
        {{- if $root.Values.nats.caSecret }}
        - { name: ca, mountPath: /etc/posthorn/ca, readOnly: true }
        {{- end }}
      {{- end }}
  {{- if or $root.Values.nats.credentialsSecret $root.Values.nats.caSecret }}
  volumes:
    {{- with $root.Values.nats.credentialsSecret }}
    - name: credentials
      secret: { secretName: {{ . }} }
    {{- end }}
    {{- with $root.Values.nats.caSecret }}
    - name: ca
      secret: { secretName: {{ . }} }
    {{- end }}
  {{- end }}
{{- end }}

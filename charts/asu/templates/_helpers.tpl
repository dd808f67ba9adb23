{{- define "asu.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* Prefix of the names of objects. It is short, because names of Services and Jobs are limited. */}}
{{- define "asu.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "asu.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "asu.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* Labels that select the pods of a component: dict "root" $ "component" "api". They must never change,
     because selectors of Deployments are immutable. */}}
{{- define "asu.selector" -}}
app.kubernetes.io/name: {{ include "asu.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{/* Labels of an object. */}}
{{- define "asu.labels" -}}
{{ include "asu.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: asu
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Metadata of an object: dict "root" $ "component" "api" "name" "api". */}}
{{- define "asu.metadata" -}}
name: {{ include "asu.fullname" .root }}{{ with .name }}-{{ . }}{{ end }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "asu.labels" . | nindent 2 }}
{{- end }}

{{/* Reference of one of the project's images: dict "root" $ "image" .Values.images.api. */}}
{{- define "asu.image" -}}
{{- $images := .root.Values.images -}}
{{- with $images.registry }}{{ . }}/{{ end }}{{ .image.repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ default .root.Chart.AppVersion $images.tag }}{{ end -}}
{{- end }}

{{/* Container fields for Pod Security "restricted", and a read-only root file system. */}}
{{- define "asu.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Pod fields for Pod Security "restricted": dict "uid" 2002 "gid" 2000. */}}
{{- define "asu.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .uid }}
runAsGroup: {{ .gid }}
fsGroup: {{ .gid }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* Scheduling fields of a pod, from the component's values. */}}
{{- define "asu.scheduling" -}}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "asu.topologySpread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "asu.selector" . | nindent 8 }}
{{- end }}

{{- define "asu.storeClaim" -}}
{{- default (printf "%s-store" (include "asu.fullname" .)) .Values.store.existingClaim -}}
{{- end }}

{{/* Value of the label asu.dev/store-node if the store can be mounted on one node only, else empty. All
     pods that mount the store or a cache have this label, and an affinity to each other by it. */}}
{{- define "asu.storeNode" -}}
{{- if eq .Values.store.accessMode "ReadWriteOnce" }}{{ include "asu.fullname" . }}{{ end -}}
{{- end }}

{{- define "asu.storeAffinity" -}}
{{- with include "asu.storeNode" . }}
affinity:
  podAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            asu.dev/store-node: {{ . }}
{{- end }}
{{- end }}

{{/* Labels of a pod that mounts the store. */}}
{{- define "asu.storePodLabels" -}}
{{ include "asu.selector" . }}
{{- with include "asu.storeNode" .root }}
asu.dev/store-node: {{ . }}
{{- end }}
{{- end }}

{{- define "asu.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 3
  timeoutSeconds: 5
{{- end }}

{{/* Binds a component's Role to its ServiceAccount. */}}
{{- define "asu.roleBinding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  {{- include "asu.metadata" . | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ include "asu.fullname" .root }}-{{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "asu.fullname" .root }}-{{ .name }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}

{{/* Keeps one pod of a component when nodes are drained: dict "root" $ "component" "api" "name" "api" "replicas" 2.
     Not created if all pods must run on one node: the replacement of an evicted pod would have to run
     on the drained node, so the last pod could never be evicted. */}}
{{- define "asu.disruptionBudget" -}}
{{- if and .root.Values.podDisruptionBudget.enabled (gt (int .replicas) 1) (not (include "asu.storeNode" .root)) }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "asu.metadata" . | nindent 2 }}
spec:
  minAvailable: 1
  selector:
    matchLabels:
      {{- include "asu.selector" . | nindent 6 }}
{{- end }}
{{- end }}

{{/* ServiceMonitor of a component, by which a Prometheus finds its metrics. */}}
{{- define "asu.serviceMonitor" -}}
{{- with .root.Values.metrics.serviceMonitor }}
{{- if .enabled }}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  {{- include "asu.metadata" $ | nindent 2 }}
  {{- with .labels }}
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "asu.selector" $ | nindent 6 }}
  endpoints:
    - port: admin
      path: /metrics
      interval: {{ .interval }}
{{- end }}
{{- end }}
{{- end }}

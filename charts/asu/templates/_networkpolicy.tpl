{{/* Egress to the DNS server. Each of the following templates is a list item. */}}
{{- define "asu.egressDns" -}}
- to:
    - namespaceSelector:
        matchLabels:
          {{- toYaml .Values.networkPolicy.dns.namespaceLabels | nindent 10 }}
      podSelector:
        matchLabels:
          {{- toYaml .Values.networkPolicy.dns.podLabels | nindent 10 }}
    {{- range .Values.networkPolicy.dns.blocks }}
    - ipBlock:
        {{- toYaml . | nindent 8 }}
    {{- end }}
  ports:
    {{- range .Values.networkPolicy.dns.ports }}
    - {protocol: UDP, port: {{ . }}}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}

{{/* Egress to addresses: an object with blocks and ports. */}}
{{- define "asu.egressBlocks" -}}
- to:
    {{- range .blocks }}
    - ipBlock:
        {{- toYaml . | nindent 8 }}
    {{- end }}
  ports:
    {{- range .ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end }}

{{- define "asu.egressDatabase" -}}
{{- if .Values.database.bundled }}
- to:
    - podSelector:
        matchLabels:
          {{- include "asu.selector" (dict "root" . "component" "postgres") | nindent 10 }}
  ports:
    - {protocol: TCP, port: 5432}
{{- else }}
{{ include "asu.egressBlocks" .Values.networkPolicy.database }}
{{- end }}
{{- end }}

{{/* Ingress of metrics. The kubelet's probes need no rule, because policies do not apply to the node. */}}
{{- define "asu.ingressMetrics" -}}
- from:
    {{- range .Values.networkPolicy.metricsNamespaces }}
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ . }}
    {{- else }}
    - namespaceSelector: {}
    {{- end }}
  ports:
    - {protocol: TCP, port: 8081}
{{- end }}

{{/* Metadata and selector of a policy: dict "root" $ "component" "api" "name" "api". */}}
{{- define "asu.networkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "asu.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "asu.selector" . | nindent 6 }}
{{- end }}

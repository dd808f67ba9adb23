{{/* Settings of the operator; `asu-operator --help` explains each. */}}
{{- define "asu.operatorEnv" -}}
- name: ASU_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: ASU_POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: ASU_LEASE_NAME
  value: {{ include "asu.fullname" . }}-operator
- name: ASU_LISTEN
  value: 0.0.0.0:8081
- name: RUST_LOG
  value: {{ .Values.logFilter | quote }}
{{- include "asu.ownerDatabase" . }}
- name: ASU_STORE_URL
  value: file:///asu/store
- name: ASU_STORE_CLAIM
  value: {{ include "asu.storeClaim" . }}
{{- with include "asu.storeNode" . }}
- name: ASU_STORE_NODE
  value: {{ . }}
{{- end }}
- name: ASU_BUILDER_IMAGE
  value: {{ include "asu.image" (dict "root" . "image" .Values.images.builder) }}
- name: ASU_IMAGE_PULL_POLICY
  value: {{ .Values.images.pullPolicy }}
{{- with .Values.images.pullSecrets }}
- name: ASU_IMAGE_PULL_SECRETS
  value: {{ join "," . | quote }}
{{- end }}
- name: ASU_BUILD_SERVICE_ACCOUNT
  value: {{ include "asu.fullname" . }}-build
- name: ASU_MAX_BUILDS
  value: {{ .Values.builds.maxConcurrent | quote }}
- name: ASU_MAX_PENDING
  value: {{ .Values.builds.maxPending | quote }}
- name: ASU_CACHE_CLAIM_MODE
  value: {{ .Values.cache.claimMode }}
{{- if eq .Values.cache.claimMode "shared" }}
- name: ASU_CACHE_CLAIM
  value: {{ include "asu.cacheClaim" . }}
{{- else }}
- name: ASU_CACHE_SIZE
  value: {{ .Values.cache.size | quote }}
- name: ASU_CACHE_ACCESS_MODE
  value: {{ .Values.cache.accessMode }}
{{- with .Values.cache.storageClassName }}
- name: ASU_CACHE_STORAGE_CLASS
  value: {{ . }}
{{- end }}
{{- end }}
- name: ASU_CATALOG_INTERVAL
  value: {{ .Values.operator.catalogInterval | quote }}
{{- end }}

{{- define "asu.cacheClaim" -}}
{{- default (printf "%s-cache" (include "asu.fullname" .)) .Values.cache.existingClaim -}}
{{- end }}

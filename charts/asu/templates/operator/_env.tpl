{{/* Settings of the operator. `asu-operator run --help` and docs/SETTINGS.md explain each. */}}
{{- define "asu.operatorEnv" -}}
- name: ASU_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: ASU_POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: ASU_LEASE_NAME
  value: {{ include "asu.fullname" . }}-operator
- name: ASU_LISTEN
  value: 0.0.0.0:8081
- name: ASU_LOG
  value: {{ .Values.logFilter | quote }}
{{- include "asu.ownerDatabase" . }}
- name: ASU_STORE_URL
  value: file:///asu/store
- name: ASU_STORE_CLAIM
  value: {{ include "asu.storeClaim" . }}
- name: ASU_STORE_HIGH_WATER
  value: {{ .Values.store.highWater | quote }}
- name: ASU_STORE_LOW_WATER
  value: {{ .Values.store.lowWater | quote }}
- name: ASU_STORE_PAUSE
  value: {{ .Values.store.pause | quote }}
- name: ASU_STORE_MIN_AGE
  value: {{ .Values.store.minAge }}
{{- with .Values.store.capacity }}
- name: ASU_STORE_CAPACITY
  value: {{ div (int64 (float64 (include "asu.milli" .))) 1000 | quote }}
{{- end }}
{{- with include "asu.storeNode" . }}
- name: ASU_COLOCATE
  value: asu.dev/store-node={{ . }}
{{- end }}
- name: ASU_BUILDER_IMAGE
  value: {{ include "asu.image" (dict "root" . "image" .Values.images.builder) }}
- name: ASU_BUILD_SERVICE_ACCOUNT
  value: {{ include "asu.fullname" . }}-build
- name: ASU_MAX_BUILDS
  value: {{ .Values.builds.maxConcurrent | quote }}
- name: ASU_MAX_PENDING
  value: {{ .Values.builds.maxPending | quote }}
- name: ASU_POD_PLACEMENT
  value: {{ pick .Values.builds "nodeSelector" "tolerations" "affinity" "priorityClassName" "runtimeClassName" "podAnnotations" "podLabels" | toJson | quote }}
- name: ASU_HOST_USERS
  value: {{ .Values.builds.hostUsers | quote }}
- name: ASU_BUILD_CPU
  value: {{ .Values.builds.cpu | quote }}
- name: ASU_BUILD_MEMORY
  value: {{ .Values.builds.memory | quote }}
{{- with .Values.builds.memoryMax }}
- name: ASU_BUILD_MEMORY_MAX
  value: {{ . | quote }}
{{- end }}
- name: ASU_BUILD_WORK_BYTES
  value: {{ int64 .Values.builds.workBytes | quote }}
- name: ASU_BUILD_START_TIMEOUT
  value: {{ .Values.builds.startTimeout }}
- name: ASU_TTL_SUCCEEDED
  value: {{ .Values.builds.keepSucceeded }}
- name: ASU_TTL_FAILED
  value: {{ .Values.builds.keepFailed }}
- name: ASU_CACHE_CLAIM_MODE
  value: {{ .Values.cache.claimMode }}
{{- if eq .Values.cache.claimMode "shared" }}
- name: ASU_CACHE_CLAIM
  value: {{ include "asu.cacheClaim" . }}
{{- else }}
- name: ASU_CACHE_SIZE
  value: {{ .Values.cache.size | quote }}
- name: ASU_CACHE_MAX_SIZE
  value: {{ .Values.cache.maxSize | quote }}
- name: ASU_CACHE_ACCESS_MODE
  value: {{ .Values.cache.accessMode }}
{{- with .Values.cache.storageClassName }}
- name: ASU_CACHE_STORAGE_CLASS
  value: {{ . }}
{{- end }}
{{- end }}
- name: ASU_CACHE_MAX_IDLE
  value: {{ .Values.cache.maxIdle }}
{{- with .Values.cache.maxBytes }}
- name: ASU_CACHE_MAX_BYTES
  value: {{ int64 . | quote }}
{{- end }}
- name: ASU_POPULATE_TIMEOUT
  value: {{ .Values.cache.populateTimeout }}
- name: ASU_CATALOG_INTERVAL
  value: {{ .Values.operator.catalogInterval }}
{{- end }}

{{- define "asu.cacheClaim" -}}
{{- default (printf "%s-cache" (include "asu.fullname" .)) .Values.cache.existingClaim -}}
{{- end }}

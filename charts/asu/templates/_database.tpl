{{/* Name of the Secret with the bundled database's passwords. */}}
{{- define "asu.passwordSecret" -}}
{{- default (printf "%s-postgres" (include "asu.fullname" .)) .Values.postgres.existingSecret -}}
{{- end }}

{{/* Name of the Secret with the connection strings of a database that is not ours. */}}
{{- define "asu.dsnSecret" -}}
{{- default (printf "%s-database" (include "asu.fullname" .)) .Values.database.existingSecret -}}
{{- end }}

{{/* Key of a connection string there: dict "root" $ "wants" (list "apiUrl" "url"): the first that is set. */}}
{{- define "asu.dsnKey" -}}
{{- $database := .root.Values.database -}}
{{- $found := "" -}}
{{- range .wants -}}
{{- $key := ternary (get $database.existingSecretKeys .) (ternary . "" (ne (get $database .) "")) (ne $database.existingSecret "") -}}
{{- $found = default $key $found -}}
{{- end -}}
{{- required "the database needs url (or its key in existingSecret)" $found -}}
{{- end }}

{{/* A variable with a connection string: dict "root" $ "name" "ASU_DATABASE_URL" "user" "asu" "wants" (list ...).
     The bundled database's password is not in it: any character may be in that, and the programs read it
     from PGPASSWORD. */}}
{{- define "asu.dsnVariable" -}}
- name: {{ .name }}
{{- if .root.Values.database.bundled }}
  value: postgres://{{ .user }}@{{ include "asu.fullname" .root }}-postgres:5432/asu
{{- else }}
  valueFrom:
    secretKeyRef:
      name: {{ include "asu.dsnSecret" .root }}
      key: {{ include "asu.dsnKey" . }}
{{- end }}
{{- end }}

{{- define "asu.passwordVariable" -}}
{{- if .root.Values.database.bundled }}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ include "asu.passwordSecret" .root }}
      key: {{ .key }}
{{- end }}
{{- end }}

{{/* Digest of the connection strings that are given as values. In an annotation of pods, and so in the
     name of the migration Job, it makes a changed one take effect. */}}
{{- define "asu.dsnDigest" -}}
{{- if and (not .Values.database.bundled) (not .Values.database.existingSecret) -}}
{{- with .Values.database -}}
{{- list .url .directUrl .apiUrl .apiDirectUrl | toJson | sha256sum -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Annotations of pods that use the database: dict "root" $ "own" .Values.api.podAnnotations. */}}
{{- define "asu.databaseAnnotations" -}}
{{- $all := deepCopy .own -}}
{{- with include "asu.dsnDigest" .root -}}
{{- $_ := set $all "asu.dev/database" . -}}
{{- end -}}
{{- with $all }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The owner of the schema: operator and migrations. */}}
{{- define "asu.ownerDatabase" -}}
{{- include "asu.passwordVariable" (dict "root" . "name" "PGPASSWORD" "key" "password") }}
{{ include "asu.dsnVariable" (dict "root" . "name" "ASU_DATABASE_URL" "user" "asu" "wants" (list "url")) }}
{{- end }}

{{/* The role that reads: the API. */}}
{{- define "asu.apiDatabase" -}}
{{- include "asu.passwordVariable" (dict "root" . "name" "PGPASSWORD" "key" "api-password") }}
{{ include "asu.dsnVariable" (dict "root" . "name" "ASU_DATABASE_URL" "user" "asu_api" "wants" (list "apiUrl" "url")) }}
{{ include "asu.dsnVariable" (dict "root" . "name" "ASU_DATABASE_DIRECT_URL" "user" "asu_api" "wants" (list "apiDirectUrl" "apiUrl" "directUrl" "url")) }}
{{- end }}

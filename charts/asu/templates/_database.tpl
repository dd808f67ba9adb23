{{/* Name of the Secret with the bundled database's passwords. */}}
{{- define "asu.passwordSecret" -}}
{{- default (printf "%s-postgres" (include "asu.fullname" .)) .Values.postgres.existingSecret -}}
{{- end }}

{{/* Name of the Secret with the connection strings of a database other than the bundled one. */}}
{{- define "asu.dsnSecret" -}}
{{- default (printf "%s-database" (include "asu.fullname" .)) .Values.database.existingSecret -}}
{{- end }}

{{/* Key of a connection string in that Secret, the first that is set: dict "root" $ "wants" (list "apiUrl" "url"). */}}
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
     It does not contain the bundled database's password, which may contain any character. The programs
     read the password from PGPASSWORD. */}}
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

{{/* Digest of the connection strings in the values. It is an annotation of pods, and therefore part of the
     name of the migration Job, so that a changed connection string restarts pods and migrates. */}}
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

{{/* Connection of the schema's owner, for operator and migrations. */}}
{{- define "asu.ownerDatabase" -}}
{{- include "asu.passwordVariable" (dict "root" . "name" "PGPASSWORD" "key" "password") }}
{{ include "asu.dsnVariable" (dict "root" . "name" "ASU_DATABASE_URL" "user" "asu" "wants" (list "url")) }}
{{- end }}

{{/* Connections of the role with read access, for the API. */}}
{{- define "asu.apiDatabase" -}}
{{- include "asu.passwordVariable" (dict "root" . "name" "PGPASSWORD" "key" "api-password") }}
{{ include "asu.dsnVariable" (dict "root" . "name" "ASU_DATABASE_URL" "user" "asu_api" "wants" (list "apiUrl" "url")) }}
{{ include "asu.dsnVariable" (dict "root" . "name" "ASU_DATABASE_DIRECT_URL" "user" "asu_api" "wants" (list "apiDirectUrl" "apiUrl" "directUrl" "url")) }}
{{- end }}

{{/* Migrates the schema to the version of this release. The program waits for the database; the retries
     of the Job are for a database that becomes unavailable during the migration. */}}
{{- define "asu.migrateSpec" -}}
{{- $root := .root -}}
backoffLimit: 60
template:
  metadata:
    labels:
      {{- include "asu.selector" . | nindent 6 }}
    {{- include "asu.databaseAnnotations" (dict "root" $root "own" dict) | nindent 4 }}
  spec:
    serviceAccountName: {{ include "asu.fullname" $root }}-plain
    automountServiceAccountToken: false
    enableServiceLinks: false
    restartPolicy: OnFailure
    {{- include "asu.scheduling" $root.Values.operator | nindent 4 }}
    securityContext:
      {{- include "asu.podSecurity" (dict "uid" 2002 "gid" 2000) | nindent 6 }}
    containers:
      - name: migrate
        image: {{ include "asu.image" (dict "root" $root "image" $root.Values.images.operator) }}
        imagePullPolicy: {{ $root.Values.images.pullPolicy }}
        args: [migrate]
        securityContext:
          {{- include "asu.containerSecurity" . | nindent 10 }}
        env:
          - name: ASU_LOG
            value: {{ $root.Values.logFilter | quote }}
          {{- include "asu.passwordVariable" (dict "root" $root "name" "PGPASSWORD" "key" "password") | nindent 10 }}
          {{- include "asu.dsnVariable" (dict "root" $root "name" "ASU_DATABASE_DIRECT_URL" "user" "asu" "wants" (list "directUrl" "url")) | nindent 10 }}
          {{- include "asu.passwordVariable" (dict "root" $root "name" "ASU_API_DATABASE_PASSWORD" "key" "api-password") | nindent 10 }}
        resources:
          {{- toYaml $root.Values.operator.resources | nindent 10 }}
{{- end }}

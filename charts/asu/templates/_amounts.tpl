{{/* Converts a Kubernetes quantity, such as "1Gi" or 2, to thousandths. */}}
{{- define "asu.milli" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9]+([.][0-9]+)?" $text -}}
{{- $factors := dict "m" 1 "k" 1000000 "M" 1000000000 "G" 1000000000000 "T" 1000000000000000 "Ki" 1024000 "Mi" 1048576000 "Gi" 1073741824000 "Ti" 1099511627776000 -}}
{{- $factor := default 1000 (get $factors (trimPrefix $number $text)) -}}
{{- mulf (float64 $number) (float64 $factor) | int64 -}}
{{- end }}

{{/* Converts a duration, such as 1h30m, to milliseconds. */}}
{{- define "asu.millis" -}}
{{- $units := dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000 "d" 86400000 -}}
{{- $sum := 0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h|d)" . -1 -}}
{{- $number := regexFind "^[0-9]+" . -}}
{{- $sum = add $sum (mul (int64 $number) (get $units (trimPrefix $number .))) -}}
{{- end -}}
{{- $sum -}}
{{- end }}

{{/* Fails when a quantity is below its minimum: dict "name" "builds.memory" "value" "1Gi" "least" "128Mi" "why" "...". */}}
{{- define "asu.atLeast" -}}
{{- if lt (int64 (include "asu.milli" .value)) (int64 (include "asu.milli" .least)) -}}
{{- fail (printf "%s=%v is below %s, %s" .name .value .least .why) -}}
{{- end -}}
{{- end }}

{{/* Fails when a request exceeds its limit: dict "name" "operator.resources" "resources" {...}. */}}
{{- define "asu.requestsFollowLimits" -}}
{{- $name := .name -}}
{{- $limits := default dict .resources.limits -}}
{{- range $resource, $request := .resources.requests -}}
{{- $limit := get $limits $resource -}}
{{- if and (hasKey $limits $resource) (gt (int64 (include "asu.milli" $request)) (int64 (include "asu.milli" $limit))) -}}
{{- fail (printf "%s: requests.%s=%v exceeds limits.%s=%v; lower the request or raise the limit" $name $resource $request $resource $limit) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
Refuses a Distribution that contradicts itself, naming the values and what to do. Its schema says what each
value may be; the API server and the operator say the same of an object that comes another way.
*/}}
{{- define "asu-distributions.check" -}}
{{- $name := .name }}
{{- $spec := .spec }}
{{- $branches := dict }}
{{- $versions := dict }}
{{- range $branch := $spec.branches }}
{{- $at := printf "distributions.%s.spec.branches[%s]" $name $branch.name }}
{{- if hasKey $branches $branch.name }}
{{- fail (printf "%s is there twice: give each branch a name of its own" $at) }}
{{- end }}
{{- $_ := set $branches $branch.name true }}
{{- if and (eq ($branch.signatures | default "Required") "Required") (not $branch.keys) }}
{{- fail (printf "%s.keys is empty: list the usign public keys that sign sha256sums, or set signatures=NotChecked" $at) }}
{{- end }}
{{- $path := $branch.path | default "releases/{version}" }}
{{- if and (gt (len $branch.versions) 1) (not (contains "{version}" $path)) }}
{{- fail (printf "%s.path=%s is one folder for several versions: write {version} where their folders differ" $at $path) }}
{{- end }}
{{- range $version := $branch.versions }}
{{- $version = toString $version }}
{{- if hasKey $versions $version }}
{{- fail (printf "%s.versions has %s, which is listed already: a version belongs to one branch, once" $at $version) }}
{{- end }}
{{- $_ := set $versions $version true }}
{{- end }}
{{- end }}
{{- range $pin := $spec.pinnedCaches }}
{{- $version := toString $pin.version }}
{{- if not (hasKey $versions $version) }}
{{- fail (printf "distributions.%s.spec.pinnedCaches has version %s, which no branch lists: list it, or take it out" $name $version) }}
{{- end }}
{{- if and $spec.targets (not (has $pin.target $spec.targets)) }}
{{- fail (printf "distributions.%s.spec.pinnedCaches has target %s, which is not in targets: add it, or take it out" $name $pin.target) }}
{{- end }}
{{- end }}
{{- end }}

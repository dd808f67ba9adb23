{{/*
Refuses a Distribution that contradicts itself. The message names the values and the correction. The schema
checks each value alone. For objects that are created in another way, API server and operator check the same.
*/}}
{{- define "asu-distributions.check" -}}
{{- $name := .name }}
{{- $spec := .spec }}
{{- if eq (empty $spec.parent) (empty $spec.upstream) }}
{{- fail (printf "distributions.%s.spec has to have either upstream or parent: upstream for own ImageBuilders, parent for those of another distribution" $name) }}
{{- end }}
{{- if and $spec.parent (eq ($spec.parent).distribution $name) }}
{{- fail (printf "distributions.%s.spec.parent.distribution=%s is the distribution itself: name another one" $name $name) }}
{{- end }}
{{- if and $spec.parent $spec.pinnedCaches }}
{{- fail (printf "distributions.%s.spec.pinnedCaches: pin the caches in the parent %s, whose caches are used" $name ($spec.parent).distribution) }}
{{- end }}
{{- if and (not $spec.parent) (or $spec.feeds $spec.defaultPackages) }}
{{- fail (printf "distributions.%s.spec has feeds or defaultPackages: they need a parent" $name) }}
{{- end }}
{{- $branches := dict }}
{{- $versions := dict }}
{{- $discovering := list }}
{{- range $branch := $spec.branches }}
{{- $at := printf "distributions.%s.spec.branches[%s]" $name $branch.name }}
{{- if hasKey $branches $branch.name }}
{{- fail (printf "%s is there twice: give each branch a different name" $at) }}
{{- end }}
{{- $_ := set $branches $branch.name true }}
{{- if and (not $spec.parent) (eq ($branch.signatures | default "Required") "Required") (not $branch.keys) }}
{{- fail (printf "%s.keys is empty: list the usign public keys that sign sha256sums, or set signatures=NotChecked" $at) }}
{{- end }}
{{- $path := $branch.path | default "releases/{version}" }}
{{- $fixed := $branch.versions | default list }}
{{- if not (or $fixed $branch.discover) }}
{{- fail (printf "%s has no versions: list them, or select them from those of the download server with discover" $at) }}
{{- end }}
{{- if and (or (gt (len $fixed) 1) $branch.discover) (not (contains "{version}" $path)) }}
{{- fail (printf "%s.path=%s is the same folder for several versions: add the placeholder {version}" $at $path) }}
{{- end }}
{{- if $branch.discover }}
{{- $discovering = append $discovering (printf "%s." $branch.name) }}
{{- end }}
{{- range $version := $fixed }}
{{- $version = toString $version }}
{{- if hasKey $versions $version }}
{{- fail (printf "%s.versions has %s, which is already listed: list each version once, in one branch" $at $version) }}
{{- end }}
{{- $_ := set $versions $version true }}
{{- end }}
{{- end }}
{{- range $pin := $spec.pinnedCaches }}
{{- $version := toString $pin.version }}
{{- $known := hasKey $versions $version }}
{{- range $prefix := $discovering }}
{{- $known = or $known (hasPrefix $prefix $version) }}
{{- end }}
{{- if not $known }}
{{- fail (printf "distributions.%s.spec.pinnedCaches has version %s, which no branch lists: add it to a branch, or remove it here" $name $version) }}
{{- end }}
{{- if and $spec.targets (not (has $pin.target $spec.targets)) }}
{{- fail (printf "distributions.%s.spec.pinnedCaches has target %s, which is not in targets: add it there, or remove it here" $name $pin.target) }}
{{- end }}
{{- end }}
{{- range $number, $change := $spec.packageChanges }}
{{- if eq (hasKey $change "revision") (hasKey $change "version") }}
{{- fail (printf "distributions.%s.spec.packageChanges[%d] needs revision or version, and not both" $name $number) }}
{{- end }}
{{- end }}
{{- range $number, $edit := $spec.packageEdits }}
{{- $at := printf "distributions.%s.spec.packageEdits[%d]" $name $number }}
{{- if not (or $edit.add $edit.remove $edit.renamePrefix) }}
{{- fail (printf "%s has no action: give it add, remove or renamePrefix" $at) }}
{{- end }}
{{- with $edit.renamePrefix }}
{{- if hasPrefix .from .to }}
{{- fail (printf "%s.renamePrefix.to=%s begins with from=%s, so it would be renamed again with the next upgrade: choose another beginning" $at .to .from) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

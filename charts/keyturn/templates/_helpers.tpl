{{/* Labels of every object. None of them is part of a selector or of a Pod, so that a new version of the chart alone restarts nothing. */}}
{{- define "keyturn.labels" -}}
app.kubernetes.io/name: keyturn
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Annotations of what holds data, and of what guards it: Helm, Flux and Argo CD leave it when they uninstall. */}}
{{- define "keyturn.kept" -}}
helm.sh/resource-policy: keep
kustomize.toolkit.fluxcd.io/prune: disabled
argocd.argoproj.io/sync-options: Prune=false,Delete=false
{{- end }}

{{/* The objects of a file that `make manifests` has copied out of config, with labels and annotations. Arguments: root, file, annotations. */}}
{{- define "keyturn.file" -}}
{{- range splitList "\n---\n" (.root.Files.Get .file) }}
{{- $object := fromYaml . }}
{{- with $object.metadata }}
{{- $_ := set . "labels" (merge (default dict .labels) (include "keyturn.labels" $.root | fromYaml)) }}
{{- with $.annotations }}
{{- $_ := set $object.metadata "annotations" (merge (default dict $object.metadata.annotations) .) }}
{{- end }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end }}

{{/* The image of a server. Arguments: root, name. */}}
{{- define "keyturn.image" -}}
{{ .root.Values.image.registry }}/keyturn-{{ .name }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/* Where the Pods of a server run. Argument: the values of the server. */}}
{{- define "keyturn.scheduling" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- end }}

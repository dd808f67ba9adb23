# The controllers of Flux. Build context: the folder of their programs.
FROM scratch
COPY source-controller kustomize-controller /

# The program asu-operator. Build context: a folder that holds target/release/asu-operator, built on the same
# release of Debian:
#   cargo build --release -p asu-operator
#   buildah bud -f images/operator.Dockerfile -t asu-operator .
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY target/release/asu-operator /usr/local/bin/asu-operator
USER 2002:2000
ENTRYPOINT ["/usr/local/bin/asu-operator"]

# The program asu-operator. Build context: a folder that holds target/release/asu-operator, built on the same
# release of Debian:
#   cargo build --release -p asu-operator
#   buildah bud -f images/operator.Dockerfile -t asu-operator .
FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="asu-operator" \
      org.opencontainers.image.description="Controllers that turn custom resources into firmware images" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log
COPY target/release/asu-operator /usr/local/bin/asu-operator
USER 2002:2000
ENTRYPOINT ["/usr/local/bin/asu-operator"]

# The program asu-api. Build context: a folder that holds target/release/asu-api, built on the same
# release of Debian:
#   cargo build --release -p asu-api
#   buildah bud -f images/api.Dockerfile -t asu-api .
FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="asu-api" \
      org.opencontainers.image.description="HTTP API of an Attended Sysupgrade Server" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log
COPY target/release/asu-api /usr/local/bin/asu-api
USER 2003:2000
ENTRYPOINT ["/usr/local/bin/asu-api"]

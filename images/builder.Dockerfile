# The program asu-builder among the tools that an ImageBuilder calls for. Build context: a folder that
# holds target/release/asu-builder, built on the same release of Debian:
#   cargo build --release -p asu-builder
#   buildah bud -f images/builder.Dockerfile -t asu-builder .
# The tools are those that the prerequisite checks of the supported ImageBuilders ask for, and no
# compiler: nothing is compiled in a build.
FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="asu-builder" \
      org.opencontainers.image.description="Runs ImageBuilders of OpenWrt in build pods" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        make bash coreutils gawk perl python3 python3-distutils wget ca-certificates unzip bzip2 \
        gzip tar patch diffutils file debianutils findutils grep util-linux xz-utils zstd \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log
COPY target/release/asu-builder /usr/local/bin/asu-builder
USER 2001:2000
ENTRYPOINT ["/usr/local/bin/asu-builder"]

# A stand-in for the official image postgres:17, for machines that reach no registry: the parts of its
# contract that the chart uses, from Debian's package (see postgres-entrypoint.sh). Build context: images/.
FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="postgres" \
      org.opencontainers.image.description="Stand-in for the official image, for tests" \
      org.opencontainers.image.licenses="Apache-2.0"
# The package would make a cluster of its own; ours is made at the first start.
RUN mkdir -p /etc/postgresql-common \
    && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
    && groupadd --system --gid 999 postgres \
    && useradd --system --uid 999 --gid 999 --home-dir /var/lib/postgresql --shell /bin/sh postgres \
    && apt-get update \
    && apt-get install -y --no-install-recommends postgresql \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log \
    && ln -s /usr/lib/postgresql/*/bin /usr/local/lib/postgresql \
    && install -d -o 999 -g 999 -m 0700 /var/lib/postgresql/data \
    && install -d -o 999 -g 999 -m 3777 /var/run/postgresql
ENV PATH=/usr/local/lib/postgresql:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PGDATA=/var/lib/postgresql/data LANG=C.UTF-8
COPY postgres-entrypoint.sh /usr/local/bin/postgres-entrypoint
RUN chmod 0755 /usr/local/bin/postgres-entrypoint
USER 999:999
VOLUME /var/lib/postgresql/data
EXPOSE 5432
# Fast: do not wait for clients to go.
STOPSIGNAL SIGINT
ENTRYPOINT ["postgres-entrypoint"]
CMD ["postgres"]

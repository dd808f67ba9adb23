#!/bin/sh
# Sets up the database at the first start, then runs the server in the foreground.
#   POSTGRES_USER (postgres), POSTGRES_DB (the user's name), POSTGRES_PASSWORD or
#   POSTGRES_PASSWORD_FILE (required at the first start), PGDATA
set -eu
umask 077

if [ "${1:-}" != postgres ]; then
    exec "$@"
fi

user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

set_up() {
    if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
        password=$(cat "$POSTGRES_PASSWORD_FILE")
    else
        password=${POSTGRES_PASSWORD:-}
    fi
    if [ -z "$password" ]; then
        echo "set POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE" >&2
        exit 1
    fi
    # PG_VERSION is moved here last: whatever lies here without it is left of an attempt that did not
    # finish.
    mkdir -p "$PGDATA"
    find "$PGDATA" -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf {} +
    new=$PGDATA/new
    secret=$(mktemp)
    printf '%s' "$password" > "$secret"
    initdb -D "$new" -U "$user" --pwfile="$secret" --encoding=UTF8 --locale=C.UTF-8 \
        --auth-local=trust --auth-host=scram-sha-256
    rm -f "$secret"
    echo 'host all all all scram-sha-256' >> "$new/pg_hba.conf"
    # On the socket only, so that nobody takes the server for ready.
    if [ "$database" != postgres ]; then
        pg_ctl -D "$new" -w -o "-c listen_addresses=''" start
        createdb -U "$user" --maintenance-db=postgres "$database"
        pg_ctl -D "$new" -w -m fast stop
    fi
    mv "$new/PG_VERSION" "$PGDATA/new.version"
    mv "$new"/* "$PGDATA/"
    rmdir "$new"
    mv "$PGDATA/new.version" "$PGDATA/PG_VERSION"
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    set_up
fi
shift
exec postgres -D "$PGDATA" -c listen_addresses='*' "$@"

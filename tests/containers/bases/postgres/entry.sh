#!/bin/bash
# Replaces the official entrypoint: what it promises and Sidecart uses.
set -eu
[ "${1:0:1}" != - ] || set -- postgres "$@"
PGDATA=${PGDATA:-/var/lib/postgresql/data}; export PGDATA PATH=/usr/lib/postgresql/15/bin:$PATH
[ "$1" = postgres ] || exec "$@"
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql; chown -R postgres "$PGDATA" /var/run/postgresql; chmod 700 "$PGDATA"
  exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  pw=${POSTGRES_PASSWORD:-}; [ -z "${POSTGRES_PASSWORD_FILE:-}" ] || pw=$(cat "$POSTGRES_PASSWORD_FILE")
  [ -n "$pw" ] || { echo "Error: Database is uninitialized and superuser password is not specified."; exit 1; }
  user=${POSTGRES_USER:-postgres}
  initdb --username "$user" --pwfile <(printf '%s\n' "$pw") --auth-local trust --auth-host scram-sha-256 ${POSTGRES_INITDB_ARGS:-}
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"; echo "listen_addresses='*'" >> "$PGDATA/postgresql.conf"
  pg_ctl -w -o "-c listen_addresses='' -c unix_socket_directories=/var/run/postgresql" start
  [ "${POSTGRES_DB:-$user}" = postgres ] || createdb -U "$user" "${POSTGRES_DB:-$user}"
  export PGHOST=/var/run/postgresql POSTGRES_USER=$user POSTGRES_DB=${POSTGRES_DB:-$user}
  for f in /docker-entrypoint-initdb.d/*; do case "$f" in
    *.sh) if [ -x "$f" ]; then "$f"; else . "$f"; fi;;
    *.sql) psql -v ON_ERROR_STOP=1 --no-psqlrc -U "$user" -d "$POSTGRES_DB" -f "$f";;
  esac; done
  unset PGHOST
  pg_ctl -w -m fast stop
fi
exec "$@"

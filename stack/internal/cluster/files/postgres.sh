#!/bin/bash
# A stand-in for the entrypoint of the official Postgres image: what that promises and Sidecart uses.
set -eu
[ "${1:0:1}" != - ] || set -- postgres "$@"
[ "$1" = postgres ] || exec "$@"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  password=${POSTGRES_PASSWORD:-}
  [ -z "${POSTGRES_PASSWORD_FILE:-}" ] || password=$(cat "$POSTGRES_PASSWORD_FILE")
  [ -n "$password" ] || { echo "Error: Database is uninitialized and superuser password is not specified."; exit 1; }
  user=${POSTGRES_USER:-postgres}
  mkdir -p "$PGDATA"
  chmod 700 "$PGDATA" || true
  initdb --username "$user" --pwfile <(printf '%s\n' "$password") --auth-local trust --auth-host scram-sha-256 \
    ${POSTGRES_INITDB_ARGS:-}
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
  pg_ctl -w -o "-c listen_addresses='' -c unix_socket_directories=/tmp" start
  export PGHOST=/tmp POSTGRES_USER=$user POSTGRES_DB=${POSTGRES_DB:-$user}
  [ "$POSTGRES_DB" = postgres ] || createdb -U "$user" "$POSTGRES_DB"
  for file in /docker-entrypoint-initdb.d/*; do
    case $file in
      *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
      *.sql) psql -v ON_ERROR_STOP=1 --no-psqlrc -U "$user" -d "$POSTGRES_DB" -f "$file" ;;
    esac
  done
  unset PGHOST
  pg_ctl -w -m fast stop
fi
exec "$@"

#!/bin/bash
# Backups of docker-compose.prod.yml's databases, in its service `backup`:
#
#   backup.sh daily          one every day at $BACKUP_AT (UTC), for ever; this is what the service runs
#   backup.sh now            one now
#   backup.sh list           the backups there are
#   backup.sh restore NAME   replaces the content of all databases by that of a backup; services must be stopped
#   backup.sh health         fails unless the newest backup is younger than two days
#
# A backup is a folder /backups/<time> with one file of pg_dump for each database. Their dumps begin within a second of
# one another, but they are no single snapshot: what services sent one another between them is repaired by their
# recovery sweeps and the detection of gaps, as after a crash.
set -euo pipefail

PGUSER=$(cat /run/sidecart/user)
PGPASSWORD=$(cat /run/sidecart/password)
export PGUSER PGPASSWORD PGCONNECT_TIMEOUT=10
dir=/backups

fail() {
  echo "backup: $*" >&2
  exit 1
}

now() {
  name=$(date -u +%Y-%m-%dT%H%M%SZ)
  rm -rf "$dir"/.unfinished-*
  mkdir "$dir/.unfinished-$name"
  pids=()
  for db in $DATABASES; do
    pg_dump --format custom --lock-wait-timeout 60000 --file "$dir/.unfinished-$name/$db.dump" "$db" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do
    wait "$pid" || fail "pg_dump failed; nothing was kept"
  done
  for db in $DATABASES; do # readable to its end
    pg_restore --file /dev/null "$dir/.unfinished-$name/$db.dump" || fail "the dump of $db cannot be read"
  done
  sync
  mv "$dir/.unfinished-$name" "$dir/$name"
  find "$dir" -mindepth 1 -maxdepth 1 -type d -name '20*Z' -mtime "+$BACKUP_KEEP" -exec rm -rf {} +
  echo "backup: $name, $(du -sh "$dir/$name" | cut -f1)"
}

# seconds until the next $BACKUP_AT
pause() {
  at=$(date -u -d "today $BACKUP_AT" +%s) || fail "BACKUP_AT is \"$BACKUP_AT\", not a time like 03:00"
  time=$(date -u +%s)
  ((at > time)) || at=$((at + 86400))
  echo $((at - time))
}

daily() {
  trap 'exit 0' TERM INT
  [[ $BACKUP_KEEP =~ ^[0-9]+$ ]] || fail "BACKUP_KEEP is \"$BACKUP_KEEP\", not a number of days"
  while :; do
    wait=$(pause)
    echo "backup: the next one in $wait s"
    sleep "$wait" &
    wait $! # ends with the signal; sleep alone would not
    bash "$0" now || { echo "backup: again in 10 minutes" >&2; sleep 600 & wait $!; bash "$0" now; }
  done
}

restore() {
  from="$dir/${1:?which backup? backup.sh list}"
  for db in $DATABASES; do
    [[ -s $from/$db.dump ]] || fail "there is no $from/$db.dump"
    others=$(psql -XAtc "select count(*) from pg_stat_activity where datname = '$db' and pid <> pg_backend_pid()" "$db")
    [[ $others == 0 ]] || fail "$others sessions use the database $db: stop the services first"
  done
  for db in $DATABASES; do
    # One transaction: a database is restored, or as it was.
    pg_restore --clean --if-exists --single-transaction --exit-on-error --dbname "$db" "$from/$db.dump"
    echo "restore: $db"
  done
}

health() {
  newest=$(find "$dir" -mindepth 1 -maxdepth 1 -name '20*Z' -mtime -2 | head -1)
  [[ -n $newest || $(($(date +%s) - $(stat -c %Y /proc/1))) -lt 172800 ]]
}

case ${1:-} in
  daily | now | health) "$1" ;;
  list) ls "$dir" ;;
  restore) restore "${2:-}" ;;
  *) fail "daily, now, list, restore NAME or health" ;;
esac

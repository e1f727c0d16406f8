#!/usr/bin/env bash
# A private PostgreSQL and Redis for trying PLOG with several servers: nothing of the system is touched.
#   deploy/dev/services.sh up [FOLDER]     start them and print the settings of PLOG that use them (for `source`)
#   deploy/dev/services.sh down [FOLDER]   stop them; the data stays in FOLDER (default: .plog/services)
# Ports: PGPORT (default 25432) and REDIS_PORT (default 26379). Only this machine is trusted; never use it for real data.
set -euo pipefail

action=${1:-}
folder=$(mkdir -p "${2:-.plog/services}" && cd "${2:-.plog/services}" && pwd)
pg_port=${PGPORT:-25432}
redis_port=${REDIS_PORT:-26379}
unset PGPORT # the client programs read it, and the number belongs to this script

initdb=$(ls -v /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -1 || true)
initdb=${initdb:-$(command -v initdb || true)}
bin=$(dirname "${initdb:-/}")

# PostgreSQL refuses to run as root, and another user can't enter a home folder: as root its data lives beside the system's.
data=$folder/postgres
as=()
if [ "$(id -u)" = 0 ]; then
  data=/var/lib/postgresql/plog-$(printf %s "$folder" | cksum | cut -d' ' -f1)
  as=(setpriv --reuid postgres --regid postgres --clear-groups --)
fi

up() {
  [ -n "$initdb" ] || { echo "PostgreSQL is not installed (Debian: apt-get install postgresql)." >&2; exit 1; }
  command -v redis-server >/dev/null || { echo "Redis is not installed (Debian: apt-get install redis-server)." >&2; exit 1; }
  cd /
  if ! "${as[@]}" test -f "$data/PG_VERSION"; then
    "${as[@]}" "$bin/initdb" -D "$data" -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 >/dev/null
  fi
  if ! "${as[@]}" "$bin/pg_ctl" -D "$data" status >/dev/null; then
    "${as[@]}" "$bin/pg_ctl" -D "$data" -s -w -l "$data/server.log" -o "-p $pg_port -h 127.0.0.1 -k $data" start
  fi
  sql() { "$bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$pg_port" -U postgres -c "$1"; }
  for role in plog_owner plog_app; do
    [ -n "$(sql "SELECT 1 FROM pg_roles WHERE rolname = '$role'")" ] || sql "CREATE ROLE $role LOGIN"
  done
  [ -n "$(sql "SELECT 1 FROM pg_database WHERE datname = 'plog'")" ] || sql "CREATE DATABASE plog OWNER plog_owner"
  if ! redis_is_up; then
    redis-server --bind 127.0.0.1 --port "$redis_port" --save '' --appendonly no --daemonize yes \
      --dir "$folder" --pidfile "$folder/redis.pid" --logfile "$folder/redis.log" >/dev/null
  fi
  echo "export PLOG_DATABASE__URL=postgresql+asyncpg://plog_owner@127.0.0.1:$pg_port/plog"
  echo "export PLOG_REDIS__URL=redis://127.0.0.1:$redis_port/0"
}

redis_is_up() { # ours, by its pid; a pid file can outlive its process and the number go to another
  [ -f "$folder/redis.pid" ] && [ "$(cat "/proc/$(cat "$folder/redis.pid")/comm" 2>/dev/null)" = redis-server ]
}

down() {
  cd /
  if [ -n "$initdb" ] && "${as[@]}" "$bin/pg_ctl" -D "$data" status >/dev/null 2>&1; then
    "${as[@]}" "$bin/pg_ctl" -D "$data" -s -w -m fast stop
  fi
  if redis_is_up; then kill "$(cat "$folder/redis.pid")"; fi
}

case $action in
  up) up ;;
  down) down ;;
  *) sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

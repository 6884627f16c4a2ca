#!/bin/sh
# Builds a service and runs it under a debugger, and again whenever a file changes. The argument is its app id.
set -eu
if [ "${2:-}" = once ]; then
  mkdir -p /cache/bin "$HOME"
  echo "building $1"
  cd "/src/apps/$1"
  # Optimised packages of others, and code of this repository as it is written, for the debugger.
  go build -gcflags='sidecart/...=-N -l' -o "/cache/bin/$1" . || { echo "$1 does not build; waiting for a change"; exit 1; }
  exec dlv exec "/cache/bin/$1" --headless --listen :2345 --accept-multiclient --continue --only-same-user=false --log-dest /dev/null
fi
cd /src
exec reflex --start-service --shutdown-timeout=8s --decoration=none --inverse-regex='_test\.go$' -- "$0" "$1" once

#!/bin/sh
# A stand-in for the entrypoint of the official Redis image.
set -e
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then set -- redis-server "$@"; fi
exec "$@"

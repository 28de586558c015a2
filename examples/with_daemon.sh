#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# with_daemon.sh UARENAD COMMAND [ARGUMENT...]
#
# Runs the command with a daemon of its own, which it finds by UARENA_SOCKET. The status is the
# command's, or 1 if the daemon did not stop cleanly.
set -u

if [ $# -lt 2 ]; then
  echo "usage: $0 UARENAD COMMAND [ARGUMENT...]" >&2
  exit 2
fi
uarenad=$1
shift

directory=$(mktemp -d) || exit 1
daemon=
# Also when the test runner ends us: a daemon that stayed would hold the runner's output open.
clean_up() {
  [ -n "$daemon" ] && kill "$daemon" 2>/dev/null
  rm -rf "$directory"
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

UARENA_SOCKET=$directory/uarenad.sock
export UARENA_SOCKET
"$uarenad" --socket="$UARENA_SOCKET" &
daemon=$!

waited=0
until [ -S "$UARENA_SOCKET" ]; do
  if ! kill -0 "$daemon" 2>/dev/null; then
    echo "$0: uarenad has ended at once" >&2
    exit 1
  fi
  waited=$((waited + 1))
  if [ "$waited" -gt 100 ]; then
    echo "$0: uarenad does not listen after 10 seconds" >&2
    exit 1
  fi
  sleep 0.1
done

"$@"
status=$?

kill -TERM "$daemon"
wait "$daemon"
daemon_status=$?
daemon=
if [ "$daemon_status" -ne 0 ]; then
  echo "$0: uarenad ended with status $daemon_status" >&2
  [ "$status" -eq 0 ] && status=1
fi
exit "$status"

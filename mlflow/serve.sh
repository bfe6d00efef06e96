#!/bin/sh
# Starts the tracking server in the foreground: mlflow/serve.sh [ENV-FILE]
set -eu

file=${1:-$(dirname "$0")/server.env}
[ -r "$file" ] || { echo "serve.sh: $file cannot be read; copy mlflow/server.env" >&2; exit 2; }
case $file in */*) ;; *) file=./$file ;; esac
set -a
. "$file"
set +a

case $HOST in
    127.* | localhost | ::1) ;;
    *)
        [ "${AUTH:-}" = basic-auth ] || {
            echo "serve.sh: HOST=$HOST can be reached by others; that needs AUTH=basic-auth" >&2
            exit 2
        }
        ;;
esac
set -- --host "$HOST" --port "$PORT" --workers "$WORKERS" \
    --backend-store-uri "$BACKEND_STORE_URI" --artifacts-destination "$ARTIFACTS_DESTINATION"
[ -z "${ALLOWED_HOSTS:-}" ] || set -- "$@" --allowed-hosts "$ALLOWED_HOSTS"
[ -z "${AUTH:-}" ] || set -- "$@" --app-name "$AUTH"
exec mlflow server "$@"

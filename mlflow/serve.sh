#!/usr/bin/env bash
# Starts the tracking server; server.env, if it is there, says where and over what.
set -euo pipefail
cd "$(dirname "$0")"

if [[ -f server.env ]]; then
    set -a
    source server.env
    set +a
fi
export MLFLOW_DISABLE_TELEMETRY="${MLFLOW_DISABLE_TELEMETRY:-true}"

exec mlflow server \
    --host "${MLFLOW_HOST:-127.0.0.1}" \
    --port "${MLFLOW_PORT:-5000}" \
    --backend-store-uri "${MLFLOW_BACKEND_STORE_URI:-sqlite:///mlflow.db}" \
    --artifacts-destination "${MLFLOW_ARTIFACTS_DESTINATION:-./artifacts}"

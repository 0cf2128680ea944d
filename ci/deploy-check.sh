#!/bin/sh
# Checks deploy: the packages' and the dashboard's code, the chart by helm lint, and its
# manifests decoded into the types of Kubernetes and of the Prometheus Operator. Compiling
# Helm and these types takes minutes of processor time on a fresh machine, so make test does
# without it: deploy/kinds reads the sources of the same types instead.
set -eu
cd "$(dirname "$0")/../deploy"

go=${GO:-go}
helm=helm.sh/helm/v4/cmd/helm@v4.3.2
rendered=$(mktemp)
trap 'rm -f "$rendered"' EXIT
"$go" run $helm lint --strict helm/castgate
"$go" run $helm template gate helm/castgate --set serviceMonitor.enabled=true >"$rendered"
if "$go" run $helm template gate helm/castgate --set replica=2 >/dev/null 2>&1; then
	echo "deploy-check: the chart takes a value that there is not" >&2
	exit 1
fi
CASTGATE_RENDERED_CHART=$rendered "$go" test ./...
promtool check rules prometheus/alerts.yaml
promtool test rules prometheus/alerts_test.yaml

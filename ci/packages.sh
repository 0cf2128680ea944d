#!/bin/sh
# Builds the programs for every architecture and makes packages of them in
# bin/packages: .deb, .rpm, an OCI image, bills of materials and checksums.
set -eu
cd "$(dirname "$0")/.."

# Packages always have the admin page.
[ -e server/admin/built/licenses.txt ] || { echo "packages: the admin page is not built: make page, which needs npm" >&2; exit 1; }

go=${GO:-go}
version=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo dev)}
commit=$(git rev-parse HEAD 2>/dev/null || echo unknown)
at=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
for arch in amd64 arm64; do
	CGO_ENABLED=0 GOOS=linux GOARCH=$arch "$go" build -trimpath -buildvcs=false \
		-ldflags "-s -w -X main.version=$version -X main.commit=$commit" \
		-o "bin/programs/linux_$arch/" ./cmd/castgate
done
root=$(pwd)
cd deploy
"$go" run ./packages --root "$root" --programs "$root/bin/programs" --out "$root/bin/packages" \
	--version "$version" --commit "$commit" --at "$at"
ls -l "$root/bin/packages"

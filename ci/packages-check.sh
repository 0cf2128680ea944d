#!/bin/bash
# Checks bin/packages for real: lintian and rpmlint; the .deb installed in a Debian that
# debootstrap has made and that systemd has booted: started by its unit, restarted by the
# watchdog, purged; its admin page opened in a browser, where a first message arrives; the
# .rpm installed by rpm into a root; the image run by an OCI runtime. It needs root, a
# package mirror for debootstrap, and three minutes, so make test does without it.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=$(pwd)/bin/packages
work=${TMPDIR:-/tmp}/castgate-packages-check
suite=${SUITE:-bookworm}
mirror=${MIRROR:-http://deb.debian.org/debian}

say() { printf '== %s\n' "$*"; }
fail() {
	printf 'packages-check: %s\n' "$*" >&2
	exit 1
}
# await "what" command...: until it succeeds, at most 60 s.
await() {
	local what=$1 end=$((SECONDS + 60))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || fail "$what did not come"
		sleep 0.1
	done
}

[ "$(id -u)" = 0 ] || fail "it needs root"
missing=
for tool in lintian rpmlint rpm debootstrap systemd-nspawn runc python3 curl chromium go; do
	command -v $tool >/dev/null || missing="$missing $tool"
done
[ -z "$missing" ] || fail "missing:$missing (apt-get install lintian rpmlint rpm debootstrap systemd-container runc python3 curl chromium)"
deb=$(echo "$packages"/castgate_*_amd64.deb)
[ -e "$deb" ] || fail "make packages first"

say "checksums"
(cd "$packages" && sha256sum --quiet -c SHA256SUMS)
say "lintian"
lintian --allow-root --fail-on error,warning "$packages"/*.deb
say "rpmlint"
rpmlint -c deploy/packages/rpmlint.toml "$packages"/*.rpm
say "exposure of the unit"
systemd-analyze security --offline=true --threshold=20 deploy/packages/files/castgate.service | tail -n 1

say "the newcomer"
mkdir -p "$work"
go test -c -o "$work/e2e.test" ./e2e

boot=
runtime=
clean() {
	[ -z "$runtime" ] || runc delete --force castgate-packages-check || true
	if [ -n "$boot" ]; then
		kill "$boot" 2>/dev/null || true
		wait "$boot" 2>/dev/null || true
	fi
	rm -rf "$work/root" "$work/bundle"
}
trap clean EXIT
rm -rf "$work/root" "$work/bundle"

if [ ! -e "$work/$suite.tar" ]; then
	say "debootstrap $suite"
	debootstrap --variant=minbase --include=systemd,systemd-sysv "$suite" "$work/new" "$mirror" >"$work/debootstrap.log" ||
		fail "debootstrap: see $work/debootstrap.log"
	tar -C "$work/new" -cf "$work/$suite.tar" .
	rm -rf "$work/new"
fi
mkdir "$work/root"
tar -C "$work/root" -xf "$work/$suite.tar"
cp "$deb" "$work/root/root/castgate.deb"

say "boot"
systemd-nspawn --quiet --register=no --keep-unit --boot --private-network --directory="$work/root" </dev/null >"$work/boot.log" 2>&1 &
boot=$!
init() { pgrep --parent "$boot" | head -n 1; }
await "systemd" init
inside() { nsenter --target "$(init)" --all --wdns=/ "$@"; }
# running, or degraded by a unit that a sandbox cannot have
await "the end of the boot" inside sh -c 'case $(systemctl is-system-running) in running | degraded) ;; *) exit 1 ;; esac'

say "install"
began=$SECONDS
inside dpkg --install /root/castgate.deb >"$work/dpkg.log"
await "castgate.service" inside systemctl --quiet is-active castgate.service
inside systemctl --quiet is-enabled castgate.socket castgate.service
inside castgate stats >"$work/stats.json"
inside castgate push --all --text hello | grep -q '"matched":0' || fail "a push to nobody"
show() { inside systemctl show --value --property="$1" castgate.service; }
[ "$(inside stat -c %U "/proc/$(show MainPID)")" = castgate ] || fail "it runs as somebody else"
say "installed and answering after $((SECONDS - began)) s"

say "a key, the admin page, and a first message in a browser"
key=$(inside castgate key new --name newcomer --scope read,push,manage --file /etc/castgate/keys)
inside sh -c 'chown root:castgate /etc/castgate/keys && chmod 640 /etc/castgate/keys'
inside sh -c 'printf "control-keys-file = \"/etc/castgate/keys\"\nadmin = \"127.0.0.1:7274\"\n" >>/etc/castgate/castgate.toml'
inside systemctl restart castgate.service
(cd e2e && NEWCOMER_URL=http://127.0.0.1:7274/ NEWCOMER_KEY=$key nsenter --target "$(init)" --net \
	"$work/e2e.test" -test.run '^TestNewcomerAt$' -test.v) >"$work/newcomer.log" 2>&1 || fail "the newcomer: see $work/newcomer.log"
grep -q -- '--- PASS: TestNewcomerAt' "$work/newcomer.log" || fail "no newcomer came: see $work/newcomer.log"
say "the first message is in the browser $((SECONDS - began)) s after the start of the installation"
export CASTGATE_CONTROL_KEY=$key # for what follows

say "reload"
pid=$(show MainPID)
inside systemctl reload castgate.service
await "the reload in the log" inside sh -c 'journalctl -u castgate.service | grep -q "the configuration was reloaded"'
[ "$(show MainPID)" = "$pid" ] || fail "a reload started another process"

say "watchdog"
inside mkdir -p /run/systemd/system/castgate.service.d
inside sh -c 'printf "[Service]\nWatchdogSec=2\nWatchdogSignal=SIGKILL\n" >/run/systemd/system/castgate.service.d/check.conf'
inside systemctl daemon-reload
inside systemctl restart castgate.service
pid=$(show MainPID)
inside systemctl kill --signal=STOP castgate.service
await "another process" sh -c "[ \"\$(nsenter --target $(init) --all systemctl show --value --property=NRestarts castgate.service)\" = 1 ]"
await "castgate.service" inside castgate stats
[ "$(show MainPID)" != "$pid" ] || fail "the watchdog did nothing"

say "the program does what the unit allows"
inside sh -c '! journalctl -u castgate.service | grep -iE "operation not permitted|level=(WARN|ERROR)"' || fail "errors in the log"

say "upgrade and purge"
inside dpkg --install /root/castgate.deb >>"$work/dpkg.log"
await "castgate.service" inside castgate stats
inside rm /etc/castgate/keys # a purge leaves what the user has made
# Without the keys that its configuration names it cannot start; it is upgraded all the same.
inside dpkg --install /root/castgate.deb >>"$work/dpkg.log" 2>&1 || fail "a service that cannot start leaves the package half installed"
inside dpkg --purge castgate >>"$work/dpkg.log" 2>&1
! inside systemctl --quiet is-active castgate.socket || fail "the socket is there after a purge"
[ ! -e "$work/root/usr/bin/castgate" ] && [ ! -e "$work/root/etc/castgate" ] || fail "a purge leaves files"
unset CASTGATE_CONTROL_KEY
kill "$boot"
wait "$boot" 2>/dev/null || true
boot=

say ".rpm"
rm -rf "$work/root"
mkdir "$work/root"
tar -C "$work/root" -xf "$work/$suite.tar"
# Its dependencies have other names in Debian; its scripts need a shell, useradd and getent.
in_root() { rpm --root "$work/root" --dbpath /var/lib/rpm "$@"; }
in_root --initdb
in_root --install --nodeps "$packages"/castgate-*.x86_64.rpm
# Nothing differs from what the package says: contents, modes, owners.
in_root --verify --nodeps castgate || fail "the files of the .rpm are not as it says"
[ "$(in_root --query --qf '%{LICENSE}' castgate)" = Apache-2.0 ] || fail "the licence of the .rpm"
[ "$(in_root --query --configfiles castgate)" = /etc/castgate/castgate.toml ] || fail "the .rpm has other configuration files"
chroot "$work/root" getent passwd castgate | grep -q ':/sbin/nologin$' || fail "the .rpm made no user"
chroot "$work/root" castgate version >/dev/null
chroot "$work/root" castgate config check --config /etc/castgate/castgate.toml | grep -qx ok || fail "the configuration of the .rpm"
chroot "$work/root" systemd-analyze verify --man=no castgate.service castgate.socket || fail "the units of the .rpm"
echo "# changed here" >>"$work/root/etc/castgate/castgate.toml"
in_root --upgrade --nodeps --force "$packages"/castgate-*.x86_64.rpm
grep -q "changed here" "$work/root/etc/castgate/castgate.toml" || fail "an upgrade by the .rpm takes the configuration away"
in_root --erase castgate
[ ! -e "$work/root/usr/bin/castgate" ] && [ ! -e "$work/root/usr/lib/systemd/system/castgate.service" ] || fail "an erased .rpm leaves files"

say "image"
mkdir -p "$work/bundle/rootfs"
python3 - "$packages/image" "$work/bundle" <<'PYTHON'
import json, subprocess, sys
image, bundle = sys.argv[1:]
blob = lambda d: image + "/blobs/" + d["digest"].replace(":", "/")
manifests = json.load(open(image + "/index.json"))["manifests"]
manifest = json.load(open(blob(next(m for m in manifests if m["platform"]["architecture"] == "amd64"))))
for layer in manifest["layers"]:
    subprocess.check_call(["tar", "-xzf", blob(layer), "-C", bundle + "/rootfs"])
config = json.load(open(blob(manifest["config"])))["config"]
subprocess.check_call(["runc", "spec"], cwd=bundle)
spec = json.load(open(bundle + "/config.json"))
uid, gid = map(int, config["User"].split(":"))
spec["process"].update(terminal=False, user={"uid": uid, "gid": gid}, env=config["Env"], cwd=config["WorkingDir"],
                       args=config["Entrypoint"] + config["Cmd"] + ["--listen", "127.0.0.1:7372", "--control", "127.0.0.1:7373"])
spec["root"]["readonly"] = True
# The host's network, so that curl reaches it.
spec["linux"]["namespaces"] = [n for n in spec["linux"]["namespaces"] if n["type"] not in ("network", "cgroup")]
spec["linux"].pop("resources", None)
json.dump(spec, open(bundle + "/config.json", "w"))
PYTHON
runtime=runc
if runc run --detach --bundle "$work/bundle" castgate-packages-check </dev/null >"$work/runc.log" 2>&1; then
	await "the image's castgate" curl -fsS http://127.0.0.1:7373/readyz
	pid=$(runc state castgate-packages-check | python3 -c 'import json, sys; print(json.load(sys.stdin)["pid"])')
	[ "$(stat -c %u "/proc/$pid")" = 65532 ] || fail "the image runs as another user"
	runc kill castgate-packages-check TERM
	await "its end" sh -c '! curl -fsS http://127.0.0.1:7373/livez'
	say "run by runc"
else
	cat "$work/runc.log" >&2
	runc delete --force castgate-packages-check >/dev/null 2>&1 || true
	runtime=
	say "the sandbox has no room for runc: its root file system by chroot"
	chroot --userspec=65532:65532 "$work/bundle/rootfs" /castgate serve --listen 127.0.0.1:7372 --control 127.0.0.1:7373 2>"$work/chroot.log" &
	pid=$!
	await "the image's castgate" curl -fsS http://127.0.0.1:7373/readyz
	kill "$pid"
	wait "$pid"
fi
say "ok"

#!/bin/sh
# Runs a command in a guest of user-mode Linux (Debian's package of that name):
# a kernel that is a process, with limits of its own, one core, and the host's
# files. Its processor is the host's; system calls and page faults are slow.
# For what this host does not allow: a million open files in one process.
#
#   umlbox.sh -m GIB [-t SECONDS] [-o OUTDIR] -- 'SHELL COMMAND'
#
#   -m GIB      memory of the guest, in /dev/shm (default 8)
#   -t SECONDS  end the guest after that long (default 14400)
#   -o OUTDIR   is in the variable OUT in the guest (default the working directory)
#
# Needs root. The exit status is the command's, 124 if the guest did not finish.
set -eu
mem=8 limit=14400 out=.
while getopts m:t:o: option; do
	case $option in
	m) mem=$OPTARG ;;
	t) limit=$OPTARG ;;
	o) out=$OPTARG ;;
	*) sed -n '2,/^set/p' "$0" | sed 's/^# \{0,1\}//; /^set/d' >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 1 ] || { echo "umlbox: one command, after --" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
out=$(cd "$out" && pwd)

command -v linux.uml >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends user-mode-linux >/dev/null
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc -O2 -shared -fPIC -o "$work/xstate.so" "$here/xstate.c" -ldl
# The guest's memory is mapped page by page.
sysctl -q -w vm.max_map_count=8000000

printf '%s\n' "$1" >"$work/command"
cat >"$work/init" <<INIT
#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root OUT='$out'
mount -t proc proc /proc
mount -t sysfs sys /sys
ip link set lo up
echo 8000000 >/proc/sys/fs/nr_open; echo 8000000 >/proc/sys/fs/file-max
echo '1024 65535' >/proc/sys/net/ipv4/ip_local_port_range
echo 65535 >/proc/sys/net/core/somaxconn
pages=\$(awk '/MemTotal/{print int(\$2/4)}' /proc/meminfo)
echo "\$((pages/2)) \$((pages*3/4)) \$pages" >/proc/sys/net/ipv4/tcp_mem
echo '4096 16384 4194304' >/proc/sys/net/ipv4/tcp_rmem; echo '4096 16384 4194304' >/proc/sys/net/ipv4/tcp_wmem
ulimit -n 4000000
cd '$PWD'
status=0
sh '$work/command' || status=\$?
echo \$status >'$work/status'
echo o >/proc/sysrq-trigger
sleep 60
INIT
chmod +x "$work/init"
TMPDIR=/dev/shm LD_PRELOAD="$work/xstate.so" timeout -k 5 "$limit" linux.uml "mem=${mem}G" rootfstype=hostfs rw \
	"init=$work/init" con=null con0=fd:0,fd:1 quiet </dev/null || true
[ -s "$work/status" ] || { echo "umlbox: the guest did not finish" >&2; exit 124; }
exit "$(cat "$work/status")"

#!/usr/bin/env bash
# sandbox.sh SCRATCH SCRIPT: runs a script in a copy of this system, of which nothing stays. SCRATCH/packages is its /tmp/packages.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/say.sh"

if [ "$1" != inside ]; then
    scratch=$1 script=$(realpath "$2")
    if [ "$(id -u)" != 0 ]; then
        skip "$(basename "$script"): needs root, for a copy of this system in memory"
        exit 0
    fi
    if ! unshare --mount --net --ipc --pid --fork true 2>/dev/null; then
        skip "$(basename "$script"): no namespaces here"
        exit 0
    fi
    exec unshare --mount --net --ipc --pid --fork --kill-child "$0" inside "$scratch" "$script"
fi

scratch=$2 script=$3
root=$scratch/layers/root
mkdir -p "$scratch/layers"
mount -t tmpfs tmpfs "$scratch/layers"
mkdir "$scratch"/layers/{root,upper,work}
if ! mount -t overlay overlay -o "lowerdir=/,upperdir=$scratch/layers/upper,workdir=$scratch/layers/work" "$root" 2>/dev/null; then
    skip "$(basename "$script"): no overlay over / here"
    exit 0
fi
if [ ! -x "$root/usr/bin/env" ] || [ ! -d "$root/var/lib" ] || [ ! -d "$root/etc" ]; then
    skip "$(basename "$script"): /usr, /var or /etc is another file system than /"
    exit 0
fi
# No /run: no service manager can be asked, nor any other daemon of the system.
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mount -t proc proc "$root/proc"
ip link set lo up
mkdir -p "$root/tmp/tests" "$root/tmp/packages"
cp "$here"/* "$root/tmp/tests"
cp "$scratch"/packages/* "$root/tmp/packages"
exec chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
    PEERS="${PMM_BUFFER_TEST_PEERS:-}" \
    bash -euo pipefail "/tmp/tests/$(basename "$script")"

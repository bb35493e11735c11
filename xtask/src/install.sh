#!/bin/sh
# Installs packages for development and leaves no service behind. Run as root by `cargo xtask`:
#
#   PACKAGES="postgresql redis-server" SERVICES="postgresql redis-server" sh install.sh
#
# Packages of servers start what they install and make a default database cluster. Both is
# prevented for the time of the installation only, and what was there before is not touched.
set -eu
export DEBIAN_FRONTEND=noninteractive

policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.conf
mark='# until cargo xtask has installed its packages'
wrote_policy=no
wrote_clusters=no

restore() {
    if [ "$wrote_policy" = yes ]; then rm -f "$policy"; fi
    if [ "$wrote_clusters" = yes ]; then sed -i "/$mark\$/d" "$clusters"; fi
}
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

get() {
    apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 "$@"
}

# Package lists that are missing or a day old name versions that the server no longer has.
if [ -z "$(find /var/lib/apt/lists -maxdepth 1 -name '*_InRelease' -mtime -1 2>/dev/null)" ]; then
    get update
fi

# Services that exist already belong to somebody, whatever their state.
ours=
for service in $SERVICES; do
    if ! [ -e "/lib/systemd/system/$service.service" ] && ! [ -e "/etc/init.d/$service" ]; then
        ours="$ours $service"
    fi
done

if ! [ -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy.new"
    chmod 755 "$policy.new"
    wrote_policy=yes
    mv "$policy.new" "$policy"
fi

case " $PACKAGES " in *" postgresql "*)
    get install --no-install-recommends postgresql-common
    if ! grep -Eq '^[[:space:]]*create_main_cluster' "$clusters"; then
        wrote_clusters=yes
        printf 'create_main_cluster = false %s\n' "$mark" >>"$clusters"
    fi
    ;;
esac

# shellcheck disable=SC2086 # a list of words
get install --no-install-recommends $PACKAGES

# Not started now, and not at the next boot either.
for service in $ours; do
    if command -v systemctl >/dev/null; then
        systemctl --quiet disable "$service" 2>/dev/null || true
    elif command -v update-rc.d >/dev/null; then
        update-rc.d "$service" disable >/dev/null 2>&1 || true
    fi
done

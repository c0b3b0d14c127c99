#!/bin/bash
# What the system has to have: a C compiler, Python's headers and venv,
# libcurl and libcrypto with their headers. Installs what is missing through
# apt where that is allowed; elsewhere prints the command to run.
#   tools/system-packages.sh [PYTHON]
#   tools/system-packages.sh --postgresql
#   tools/system-packages.sh --browser
# The second is for the tests of the shared ledger, which start a PostgreSQL of
# their own: the programs are installed, and no server of the system's is made.
# Where it may not, it says so and succeeds: those tests are skipped then.
# The third, likewise, is for the tests of the dashboard: a browser, and where no
# systemd would start it, a proxy.
set -euo pipefail

wanted=${1:-python3}
missing=()
hint='then run make again'
denied=1

has_header() {
    echo "#include <$1>" | "${CC:-cc}" -E - >/dev/null 2>&1
}

look_for_what_builds() {
    command -v "${CC:-cc}" >/dev/null || missing+=(gcc libc6-dev)
    if command -v "$1" >/dev/null; then
        "$1" -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
        include=$("$1" -c 'import sysconfig; print(sysconfig.get_path("include"))')
        [ -e "$include/Python.h" ] || missing+=(python3-dev)
    else
        missing+=(python3 python3-venv python3-dev)
    fi
    has_header curl/curl.h || missing+=(libcurl4-openssl-dev)
    has_header openssl/evp.h || missing+=(libssl-dev)
}

look_for_postgresql() {
    hint='or tests of the shared ledger are skipped'
    denied=0
    compgen -G "${POSTGRESQL:-/usr/lib/postgresql}/*/bin/initdb" >/dev/null ||
        command -v initdb >/dev/null || missing+=(postgresql)
    compgen -G "${PGBOUNCER:-/usr/sbin}/pgbouncer" >/dev/null ||
        command -v pgbouncer >/dev/null || missing+=(pgbouncer)
}

look_for_browser() {
    hint='or tests of the dashboard are skipped'
    denied=0
    command -v chromium >/dev/null || missing+=(chromium)
    [ -d "${SYSTEMD:-/run/systemd/system}" ] || [ -x "${NGINX:-/usr/sbin/nginx}" ] ||
        command -v nginx >/dev/null || missing+=(nginx-light)
}

if [ "$wanted" = --postgresql ]; then
    look_for_postgresql
elif [ "$wanted" = --browser ]; then
    look_for_browser
else
    look_for_what_builds "$wanted"
fi
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "Some system packages are missing. Debian calls them: ${missing[*]}." >&2
    echo "Install what they are called on this system, $hint." >&2
    exit $denied
fi

sudo=()
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null; then sudo=(sudo); fi
    if [ ${#sudo[@]} -eq 0 ] || ! sudo -n true 2>/dev/null; then
        who=' as root' prefix=''
        if [ ${#sudo[@]} -gt 0 ]; then who='' prefix='sudo '; fi
        echo "Some system packages are missing. Run this$who, $hint:" >&2
        echo "    ${prefix}apt-get update && ${prefix}apt-get install -y --no-install-recommends ${missing[*]}" >&2
        exit $denied
    fi
fi

if [ "$wanted" = --postgresql ]; then
    # Debian would make a server of the system's, and start it.
    clusters=${CLUSTERS:-/etc/postgresql-common/createcluster.d}
    "${sudo[@]}" mkdir -p "$clusters"
    "${sudo[@]}" bash -c "echo 'create_main_cluster = false' >'$clusters/only-for-tests.conf'"
fi
apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get)
echo "== installing: ${missing[*]}"
"${apt[@]}" update -q >/dev/null
"${apt[@]}" install -y -q --no-install-recommends "${missing[@]}" >/dev/null

#!/bin/bash
# What the system has to have: a C compiler, Python's headers and venv,
# libcurl and libcrypto with their headers. Installs what is missing through
# apt where that is allowed; elsewhere prints the command to run.
#   tools/system-packages.sh [PYTHON] [PACKAGE=PROBE-COMMAND ...]
set -euo pipefail

python=${1:-python3}
missing=()

has_header() {
    echo "#include <$1>" | "${CC:-cc}" -E - >/dev/null 2>&1
}

command -v "${CC:-cc}" >/dev/null || missing+=(gcc libc6-dev)
command -v "$python" >/dev/null || missing+=(python3)
if [ ${#missing[@]} -eq 0 ]; then
    "$python" -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    [ -e "$include/Python.h" ] || missing+=(python3-dev)
else
    missing+=(python3-venv python3-dev)
fi
has_header curl/curl.h || missing+=(libcurl4-openssl-dev)
has_header openssl/evp.h || missing+=(libssl-dev)

[ ${#missing[@]} -eq 0 ] && exit 0

command="apt-get install -y --no-install-recommends ${missing[*]}"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command="sudo $command"
    as_root=(sudo -n)
fi
if ! command -v apt-get >/dev/null; then
    echo "These are missing; install them with your system's packages: ${missing[*]}" >&2
    exit 1
fi
if [ ${#as_root[@]} -gt 0 ] && ! sudo -n true 2>/dev/null; then
    echo "Some system packages are missing. Run this, then make again:" >&2
    echo "    $command" >&2
    exit 1
fi
echo "== installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -q >/dev/null
"${as_root[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null

#!/bin/bash
# What the system has to have: a C compiler, Python's headers and venv,
# libcurl and libcrypto with their headers. Installs what is missing through
# apt where that is allowed; elsewhere prints the command to run.
#   tools/system-packages.sh [PYTHON]
set -euo pipefail

python=${1:-python3}
missing=()

has_header() {
    echo "#include <$1>" | "${CC:-cc}" -E - >/dev/null 2>&1
}

command -v "${CC:-cc}" >/dev/null || missing+=(gcc libc6-dev)
if command -v "$python" >/dev/null; then
    "$python" -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    [ -e "$include/Python.h" ] || missing+=(python3-dev)
else
    missing+=(python3 python3-venv python3-dev)
fi
has_header curl/curl.h || missing+=(libcurl4-openssl-dev)
has_header openssl/evp.h || missing+=(libssl-dev)

[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "Some system packages are missing. Debian calls them: ${missing[*]}." >&2
    echo "Install what they are called on this system, then run make again." >&2
    exit 1
fi

sudo=()
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null; then sudo=(sudo); fi
    if [ ${#sudo[@]} -eq 0 ] || ! sudo -n true 2>/dev/null; then
        who=' as root' prefix=''
        if [ ${#sudo[@]} -gt 0 ]; then who='' prefix='sudo '; fi
        echo "Some system packages are missing. Run this$who, then run make again:" >&2
        echo "    ${prefix}apt-get update && ${prefix}apt-get install -y --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
fi

apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get)
echo "== installing: ${missing[*]}"
"${apt[@]}" update -q >/dev/null
"${apt[@]}" install -y -q --no-install-recommends "${missing[@]}" >/dev/null

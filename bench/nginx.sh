#!/bin/sh
# Run a command beside an nginx of its own on a free loopback port; the
# command finds its address in BENCH_URL.
#   bench/nginx.sh build/bench/cc/bench_http
set -eu
nginx=$(PATH=$PATH:/usr/sbin:/sbin command -v nginx) || {
    echo "nginx is needed: apt-get install nginx-light" >&2
    exit 2
}
dir=$(mktemp -d)
port=$(python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
sed "s|@PORT@|$port|; s|@DIR@|$dir|" "$(dirname "$0")/nginx.conf" \
    > "$dir/nginx.conf"
"$nginx" -p "$dir" -e "$dir/error.log" -c "$dir/nginx.conf" &
pid=$!
trap 'kill "$pid"; wait "$pid" || true; rm -rf "$dir"' EXIT
while [ ! -s "$dir/nginx.pid" ]; do
    kill -0 "$pid"
    sleep 0.05
done
export BENCH_URL="http://127.0.0.1:$port"
"$@"

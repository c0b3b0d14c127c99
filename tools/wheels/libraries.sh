#!/bin/bash
# Static OpenSSL and libcurl for one platform, as small and as closed as
# cronsched needs them: TLS 1.2 and 1.3 as a client, HTTP and nothing else.
#   libraries.sh TRIPLE OPENSSL-TARGET COMPILERS OPENSSL-SOURCE CURL-SOURCE OUT
# COMPILERS is a folder with cronsched-cc, -ar, -ranlib. OUT gets usr/include,
# usr/lib and licenses; it appears when everything is done. Other folders than
# OUT.new are left alone. The result does not depend on where it is built:
# OpenSSL is told /usr, and the compiler wrapper takes paths out of __FILE__.
set -euo pipefail

triple=$1 target=$2 compilers=$3 openssl=$4 curl=$5 out=$6
work=$out.new
jobs=${JOBS:-2}
# -fstack-protector-strong: it reads bytes from strangers.
flags="-O2 -g0 -fPIC -fvisibility=hidden -ffunction-sections -fdata-sections -fstack-protector-strong"

# no-autoload-config: a host's openssl.cnf was written for another version.
# no-atexit: nothing is torn down under a thread that still runs.
# no-filenames, no-async: neither build paths nor makecontext.
# Kept: deprecated (the digests cronsched calls), dh, ml-kem, err.
openssl_off=(
    shared module dso engine legacy tests apps docs ui-console comp async filenames
    autoload-config atexit thread-pool default-thread-pool integrity-only-ciphers
    ssl3 tls1 tls1_1 dtls quic psk srp srtp sctp nextprotoneg ssl-trace sslkeylog
    idea camellia seed aria bf cast des rc2 rc4 rc5 md4 mdc2 whirlpool rmd160
    sm2 sm3 sm4 siphash siv ocb blake2 scrypt argon2 gost cmac
    cms cmp ocsp ts ct http rfc3779 dsa ml-dsa slh-dsa ec2m afalgeng
)

# proxy and netrc stay: cronsched switches both off for each request, and
# takes a refusal for a fault. dateparse stays: Retry-After may be a date. --with-ca-fallback: OpenSSL's own search, when
# cronsched's found nothing.
curl_options=(
    --disable-shared --enable-static --with-pic --disable-dependency-tracking
    --without-ca-bundle --without-ca-path --with-ca-fallback
    --enable-threaded-resolver --enable-unix-sockets --enable-ipv6
    --disable-openssl-auto-load-config
    --disable-{ftp,file,ipfs,ldap,ldaps,rtsp,dict,telnet,tftp,pop3,imap,smb,smtp,gopher,mqtt}
    --disable-{http-auth,basic-auth,bearer-auth,digest-auth,kerberos-auth,negotiate-auth,aws,ntlm,tls-srp}
    --disable-{alt-svc,hsts,cookies,doh,mime,form-api,headers-api,websockets,ares}
    --disable-{manual,docs,libcurl-option,progress-meter,dnsshuffle,get-easy-options,bindlocal,sspi}
    --without-{zlib,brotli,zstd,nghttp2,libidn2,libpsl,libssh2,librtmp,libgsasl}
)

# Quiet unless it fails.
run() {
    nice -n 19 "$@" >>"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
}

released() {   # of a Debian source, in seconds
    dpkg-parsechangelog -l "$1/debian/changelog" -S Timestamp
}

build_openssl() {
    export SOURCE_DATE_EPOCH=$(released "$openssl")
    mkdir "$work/openssl"
    cd "$work/openssl"
    run env CC=cronsched-cc AR=cronsched-ar RANLIB=cronsched-ranlib CFLAGS="$flags" \
        "$openssl/Configure" "$target" "${openssl_off[@]/#/no-}" \
        --prefix=/usr --libdir=lib --openssldir=/etc/ssl
    run make -j"$jobs" build_libs
    run make install_dev DESTDIR="$work/files"
}

# Configured by a relative path, so that __FILE__ is one.
build_curl() {
    export SOURCE_DATE_EPOCH=$(released "$curl")
    cp -a "$curl" "$work/curl"
    mkdir "$work/curl/build"
    cd "$work/curl/build"
    run env CC=cronsched-cc AR=cronsched-ar RANLIB=cronsched-ranlib CFLAGS="$flags" \
        PKG_CONFIG=/bin/false LIBS=-lpthread \
        ../configure --host="$triple" --prefix=/usr --libdir=/usr/lib \
        --with-openssl="$work/files/usr" "${curl_options[@]}"
    run make -j"$jobs" -C lib
    run make -C lib install DESTDIR="$work/files"
    run make -C include install DESTDIR="$work/files"
}

rm -rf "$work"
mkdir -p "$work/files/licenses"
export PATH=$compilers:$PATH
build_openssl
build_curl
cp "$openssl/LICENSE.txt" "$work/files/licenses/openssl-LICENSE.txt"
cp "$curl/COPYING" "$work/files/licenses/curl-COPYING"
mv "$work/files" "$out"
rm -rf "$work"

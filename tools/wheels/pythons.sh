#!/bin/bash
# A Python that no package has, to try a wheel with: for musl, or without the
# global lock. Only what a trial needs; 4 minutes, and for musl 6.
#   pythons.sh musl COMPILERS PYTHON-SOURCE ZLIB-SOURCE SQLITE-SOURCE OUT
#   pythons.sh free-threaded PYTHON-SOURCE OUT
# OUT gets usr/local. SQLite's one file is made by tclsh.
set -euo pipefail

kind=$1 out=${!#}
work=$out.new
jobs=${JOBS:-2}
# Soon built, not soon done; the date is compiled in, which zig refuses.
export OPT="-O1 -g0 -DNDEBUG -Wno-date-time"

run() {   # quiet unless it fails
    nice -n 19 "$@" >>"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; exit 1; }
}

# zig links programs for musl statically unless told; such a one loads nothing.
musl_cc='cronsched-cc -dynamic'

build_zlib() {   # pip unpacks wheels with it
    cp -a "$1" "$work/zlib"
    cd "$work/zlib"
    run env CHOST=x86_64-linux-musl CC="$musl_cc" AR=cronsched-ar RANLIB=cronsched-ranlib \
        CFLAGS='-O2 -fPIC' ./configure --static --prefix=/usr
    run make -j"$jobs" libz.a
}

build_sqlite() {   # for the ledger
    cp -a "$1" "$work/sqlite"
    cd "$work/sqlite"
    run ./configure
    run make sqlite3.c
    run $musl_cc -O1 -fPIC -c sqlite3.c -o sqlite3.o
    run cronsched-ar rcs libsqlite3.a sqlite3.o
}

# The build of another machine's Python runs one of the very same release:
# what a library calls of the interpreter changes within 3.13.
build_for_this_machine() {
    mkdir "$work/here"
    cd "$work/here"
    run "$1/configure" --without-ensurepip --disable-test-modules
    run make -j"$jobs"
}

build_for_musl() {
    build_for_this_machine "$3"
    export PATH=$2:$PATH
    build_zlib "$4"
    build_sqlite "$5"
    mkdir "$work/build"
    cd "$work/build"
    run env CC="$musl_cc" AR=cronsched-ar RANLIB=cronsched-ranlib PKG_CONFIG=/bin/false \
        LIBSQLITE3_CFLAGS="-I$work/sqlite" LIBSQLITE3_LIBS="-L$work/sqlite -lsqlite3 -lm" \
        ZLIB_CFLAGS="-I$work/zlib" ZLIB_LIBS="$work/zlib/libz.a" \
        ac_cv_file__dev_ptmx=yes ac_cv_file__dev_ptc=no ac_cv_buggy_getaddrinfo=no \
        "$3/configure" --build=x86_64-linux-gnu --host=x86_64-linux-musl \
        --with-build-python="$work/here/python" --without-ensurepip --disable-test-modules
}

build_free_threaded() {
    mkdir "$work/build"
    cd "$work/build"
    run "$2/configure" --disable-gil --without-ensurepip --disable-test-modules
}

rm -rf "$work"
mkdir -p "$work"
case $kind in
    musl) build_for_musl "$@" ;;
    free-threaded) build_free_threaded "$@" ;;
esac
run make -j"$jobs"
run make install DESTDIR="$work/files"
mv "$work/files" "$out"
rm -rf "$work"

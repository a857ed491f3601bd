#!/bin/sh
# Installs the build into an empty prefix, then uses it as a stranger would: find_package, pkg-config, the installed programs.
# Usage: install_test.sh BUILD_DIR SOURCE_DIR CXX CC [MODEL]; $CXXFLAGS and $CFLAGS as the build had them
set -eu
build=$1 source=$2 cxx=$3 cc=$4 model=${5:-}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix
fail() { echo "install_test: $*" >&2; exit 1; }

cmake --install "$build" --prefix "$prefix" >"$work/install.log" 2>&1 || { cat "$work/install.log" >&2; fail "cmake --install failed"; }
# Moved, so that nothing may lean on the place it was installed to, nor on the build.
mv "$prefix" "$work/moved"
prefix=$work/moved
library=$(find "$prefix" -name 'libsiskin.so')
[ -n "$library" ] || fail "no libsiskin.so under the prefix"
libdir=$(dirname "$library")
soname=$(readelf -d "$library" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
case $soname in libsiskin.so.*) ;; *) fail "SONAME '$soname', expected libsiskin.so.<version>" ;; esac

for header in "$prefix"/include/siskin/*.h; do
  echo "#include <siskin/$(basename "$header")>"
done >"$work/headers.cpp"
"$cxx" -std=c++20 -Wall -Wextra -Werror -I"$prefix/include" -fsyntax-only "$work/headers.cpp" || fail "an installed header does not stand alone"
echo "#include <siskin/siskin.h>" >"$work/header.c"
"$cc" -std=c11 -Wall -Wextra -Wpedantic -Wstrict-prototypes -Werror -I"$prefix/include" -fsyntax-only "$work/header.c" \
  || fail "siskin.h is no C11"

for program in siskin siskin-bench; do
  "$prefix/bin/$program" --version | grep -q "^$program [0-9]" || fail "$program --version from the installed tree"
  resolved=$(ldd "$prefix/bin/$program" | sed -n 's/.*libsiskin[^ ]* => \([^ ]*\).*/\1/p')
  case $(readlink -f "$resolved") in
    "$(readlink -f "$prefix")"/*) ;;
    *) fail "$program loads '$resolved', expected the installed library" ;;
  esac
done

for hello in hello_cpp hello_c; do
  cp -r "$source/examples/$hello" "$work/$hello"
  cmake -S "$work/$hello" -B "$work/$hello/build" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_C_COMPILER="$cc" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_BUILD_TYPE=Release --no-warn-unused-cli >"$work/hello.log" 2>&1 && cmake --build "$work/$hello/build" >>"$work/hello.log" 2>&1 \
    || { cat "$work/hello.log" >&2; fail "$hello does not build"; }
done

PKG_CONFIG_PATH=$libdir/pkgconfig
export PKG_CONFIG_PATH
# shellcheck disable=SC2046,SC2086 # the flags are words
"$cxx" -std=c++20 ${CXXFLAGS:-} "$source/examples/hello_cpp/main.cpp" -o "$work/hello_pc" $(pkg-config --cflags --libs siskin) -Wl,-rpath,"$libdir" \
  || fail "hello_cpp does not build through pkg-config"
# shellcheck disable=SC2046,SC2086
"$cc" -std=c11 ${CFLAGS:-} "$source/examples/hello_c/main.c" -o "$work/hello_c_pc" $(pkg-config --cflags --libs siskin) -Wl,-rpath,"$libdir" \
  || fail "hello_c does not build through pkg-config"

for limit in hello_cpp/main.cpp:50 hello_c/main.c:60; do
  lines=$(wc -l <"$source/examples/${limit%:*}")
  [ "$lines" -lt "${limit#*:}" ] || fail "${limit%:*} has $lines lines, expected under ${limit#*:}"
done

if [ ! -e "$model" ]; then
  echo "skipped: running hello_cpp and hello_c: no model at '$model'"
  exit 0
fi
for hello in "$work/hello_cpp/build/hello_cpp" "$work/hello_pc" "$work/hello_c/build/hello_c" "$work/hello_c_pc"; do
  "$hello" "$model" "Once upon a time" >"$work/out.txt" || fail "$hello failed on $model"
  grep -qi "decode" "$work/out.txt" || fail "$hello printed no cost"
done
for hello in "$work/hello_pc" "$work/hello_c_pc"; do
  if "$hello" "$work/absent.gguf" x 2>"$work/err.txt"; then fail "$hello succeeded on a missing model"; fi
  [ "$(wc -l <"$work/err.txt")" -eq 1 ] || fail "$hello: expected one error line"
done
echo "installed, moved, built and ran"

#!/bin/sh
# Usage: isa_symbols.sh NM OBJECT=SYMBOL...
# Each instruction set's relocatable object defines exactly one global symbol, its table; nothing weak, unique or common that the
# linker could prefer to the baseline's own copy; and no static initialiser, which would run before the CPU was asked.
set -eu
nm=$1
shift
[ $# -gt 0 ] || { echo "skipped: this build has no instruction set but the baseline"; exit 0; }
failed=0
for pair in "$@"; do
  object=${pair%=*}
  symbol=${pair##*=}
  # Lower case is local, U undefined; weak symbols are w, v and (unique) u whatever their case.
  visible=$("$nm" "$object" | awk '{ kind = $(NF - 1) } kind ~ /^[A-TV-Zuvw]$/ { print kind, $NF }')
  case $visible in
    "D $symbol" | "R $symbol") ;;
    *) echo "$object: expected the one visible symbol $symbol, got:"; echo "$visible"; failed=1 ;;
  esac
  if "$nm" "$object" | grep -Eq '_GLOBAL__sub_I|__cxx_global_var_init|__cxa_guard|__cxa_atexit'; then
    echo "$object: has a static initialiser"
    failed=1
  fi
  # What is called from outside: the C library's memory and maths functions, nothing of C++.
  foreign=$("$nm" --undefined-only "$object" | awk '{ print $NF }' | grep -E '^_Z' || true)
  [ -z "$foreign" ] || { echo "$object: calls C++ functions outside: $foreign"; failed=1; }
done
exit $failed

#!/bin/sh
# Usage: library_symbols.sh NM LIBRARY
# The library never prints and never exits; it aborts in one place only (broken_invariant writes to a descriptor). It shows its own
# names and nothing else.
set -eu
nm=$1 library=$2
failed=0
undefined=$("$nm" -D --undefined-only "$library" | awk '{ print $NF }' | sed 's/@.*//')
for symbol in exit _exit quick_exit printf puts putchar perror _ZSt4cout _ZSt4cerr _ZSt4clog; do
  if printf '%s\n' "$undefined" | grep -qx "$symbol"; then
    echo "$library calls $symbol"
    failed=1
  fi
done
foreign=$("$nm" -DC --defined-only "$library" | awk '$2 ~ /^[TDBR]$/' | grep -vE ' (siskin::|siskin_|typeinfo (name )?for siskin::|vtable for siskin::)' || true)
if [ -n "$foreign" ]; then
  echo "$library shows names that are not its own:"
  echo "$foreign" | head -20
  failed=1
fi
exit $failed

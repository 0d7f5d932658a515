# Sourced by scripts of the guest that lead a disc in the burner through its life, after tool, stages and work are set.  Owns: a line a
# step, "ok NAME" or "FAIL NAME: why", and what the two readers see.
drive=/dev/sr0 point=$work/point
export TZ=UTC0 LC_ALL=C.UTF-8
mkdir "$point"
ok() { echo "ok $1"; }
fail() { echo "FAIL $1: $(tr '\n' ' ' <<< "$2" | tail -c 400)"; }
try() { # NAME WORDS...: must work
  local name=$1; shift
  if out=$("$@" 2>&1); then ok "$name"; else fail "$name" "$out"; return 1; fi
}
refused() { # NAME PATTERN WORDS...: must fail and say so
  local name=$1 pattern=$2; shift 2
  if out=$("$@" 2>&1); then fail "$name" "it was done: $out"; elif grep -q -- "$pattern" <<< "$out"; then ok "$name"; else fail "$name" "$out"; fi
}
extracted() { # NAME N OPTIONS...: we ourselves read what stage N holds
  local name=$1 stage=$2; shift 2
  rm -rf "$work/out"
  if out=$("$tool" extract -q -C "$work/out" "$@" $drive 2>&1) && out=$(diff -r "$stages/$stage" "$work/out" 2>&1); then ok "$name"; else fail "$name" "$out"; fi
}
same() { # NAME N: both readers see what stage N holds; "mounted": and nothing is appended to a mounted disc
  extracted "$1-ours" "$2"
  if out=$(mount -t udf -o ro $drive "$point" 2>&1); then
    if out=$(diff -r "$stages/$2" "$point" 2>&1); then ok "$1-kernel"; else fail "$1-kernel" "$out"; fi
    [ "$3" = mounted ] && refused "$1-mounted" "in use" "$tool" append $drive "$stages/1"
    umount "$point"
  else fail "$1-kernel" "$out $(dmesg | grep -i udf | tail -3)"; fi
}

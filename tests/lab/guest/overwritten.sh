#!/bin/bash
# overwritten.sh MKUDF-MS STAGES, in a guest with the burner's library.  Owns: a BD-R in pseudo-overwrite in a drive: formatted, divided into tracks,
# changed, by a drive that dies and loses its cache too; after each step we ourselves read what STAGES/N holds, and at the end somebody else.
tool=$1 stages=$2
work=$(mktemp -d /run/drive.XXXXXX)
. "$(dirname "$0")/steps.sh"
. "$LAB/lib/lab.sh"
drive=/dev/sr1 disc=$LAB_W/overwritten
python3 "$LAB/emu/mmc.py" bd-r "$disc" 120000
LAB_HANDLER="python3 $(dirname "$0")/overwriter.py" lab_drive 1 "$disc" || exit 1
ctl() { echo "$1" > /run/ctl1; sleep 0.3; }
refused append-blank "blank" "$tool" append $drive "$stages/1"
try format "$tool" format --yes $drive
refused format-again "as long as it is blank" "$tool" format --yes $drive
refused create-as-other "" "$tool" create -m bd-r -o $drive "$stages/1"
try create "$tool" create -v --speed 4x --verify -o $drive -l "OVERWRITTEN" "$stages/1" || exit 0
grep -q "; [1-9][0-9]* bytes went from pages of files" <<< "$out" && ok from-pages || fail from-pages "$out"
extracted created 1
refused create-again "not blank" "$tool" create -o $drive "$stages/1"
for n in 2 3 4; do
  try append-$n "$tool" append -q --verify --mirror $drive "$stages/$n" && extracted appended-$n $n
done
try check "$tool" check $drive
out=$("$tool" devices --json $drive) && grep -q '"layout":"pseudo-overwrite","usable":true' <<< "$out" && grep -q '"label":"OVERWRITTEN"' <<< "$out" \
  && ok devices || fail devices "$out"
# the drive dies at seeded writes, and what was in its cache is gone
ctl "wcache 1"
state=4 other=3
for after in 0 1 2 3 4 5 6 7 8 9; do
  ctl "die-after $after"
  out=$("$tool" append -q --force --mirror $drive "$stages/$other" 2>&1) && done=true || done=false
  ctl "power-cut"
  "$tool" devices $drive > /dev/null 2>&1       # it says once that the power was gone
  why=
  rm -rf "$work/out"
  "$tool" extract -q -C "$work/out" $drive > "$work/said" 2>&1 || why=$(cat "$work/said")
  if diff -r "$stages/$other" "$work/out" > "$work/new" 2>&1; then was=$state state=$other other=$was
  elif $done; then why="it is old, and nobody was told: $(head -3 "$work/new")"
  elif ! diff -r "$stages/$state" "$work/out" > "$work/old" 2>&1; then why="neither old nor new: $(head -3 "$work/old")"; fi
  [ -z "$why" ] && ok "dead-after-$after" || fail "dead-after-$after" "$why $out"
done
ctl "wcache 0"
try forced "$tool" append -q --force --mirror $drive "$stages/2" && extracted forced-holds 2
try check-forced "$tool" check $drive
try put "$tool" put -q $drive "$stages/1/large" /put && try rm "$tool" rm -r $drive /new && try check-steps "$tool" check $drive
out=$("$tool" cat $drive /put | cmp - "$stages/1/large" 2>&1) && ok put-holds || fail put-holds "$out"
# what the drive keeps elsewhere is in the burner's file where it belongs
ctl exit
sleep 0.5
mkdir "$work/got"
if out=$(7zz x -y -o"$work/got" "$disc" 2>&1) && out=$(cmp "$work/got/put" "$stages/1/large" 2>&1); then ok 7zz; else fail 7zz "$out"; fi
true

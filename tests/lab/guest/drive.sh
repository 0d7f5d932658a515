#!/bin/bash
# drive.sh MKUDF-MS KIND STAGES LOG, in a guest with a burner at /dev/sr0 and its LOG.  Owns: a disc's life in a drive: blank, created, grown, closed,
# grown in a session of its own, closed for good; after each step the kernel and we ourselves read what STAGES/N holds.
tool=$1 kind=$2 stages=$3 log=$4
work=$(mktemp -d /run/drive.XXXXXX)
. "$(dirname "$0")/steps.sh"
sequential=true stage=4
case $kind in dvd-ram | dvd+rw | bd-re) sequential=false ;; esac
case $kind in
  dvd-ram) refused append-nothing "no UDF volume found" "$tool" append $drive "$stages/1" ;; # sold formatted
  dvd+rw | bd-re)
    refused append-unformatted "not formatted" "$tool" append $drive "$stages/1"
    refused create-unformatted "not formatted" "$tool" create -o $drive "$stages/1"
    try format "$tool" format --yes $drive
    ;;
  *) refused append-blank "blank" "$tool" append $drive "$stages/1" ;;
esac
refused speed-of-an-image "only discs in drives" "$tool" create --speed 4x -o "$work/image.udf" "$stages/1"
try create "$tool" create -v --speed 4x --verify -o $drive -l "DRIVE $kind" "$stages/1" || exit 0
grep -q "writing at 11080 kB/s" <<< "$out" && ok speed || fail speed "$out"
same created 1 mounted
refused create-again "not blank\|holds" "$tool" create -o $drive "$stages/1"
for n in 2 3 4; do
  try append-$n "$tool" append -q --verify --mirror $drive "$stages/$n" && same appended-$n $n
done
for n in 1 2 3 4; do extracted session-$n $n --session $n; done
# somebody cancels: a table that others look for at the end is there once more
out=$(python3 "$(dirname "$0")/cancel.py" "$log" 10 "$tool" append $drive "$stages/large" 2>&1)
[ $? = 130 ] && grep -q "what it held before" <<< "$out" && ok cancelled || fail cancelled "$out"
same cancelled 4
try check "$tool" check $drive
out=$("$tool" devices --json $drive) && grep -q "\"label\":\"DRIVE $kind\"" <<< "$out" && ok devices || fail devices "$out"
if $sequential; then
  try close "$tool" close $drive && same closed 4
  try append-session "$tool" append -q --mirror --close $drive "$stages/2" && same appended-session 2
  # behind a closed session an open one is what the kernel does not find: it takes the closed one's place and the open one's end
  try revert "$tool" revert -q --to 3 $drive && try close-reverted "$tool" close $drive && same reverted 3
  case $kind in
    dvd*) try mediainfo dvd+rw-mediainfo $drive ;;
  esac
  out=$(xorriso -dev $drive -toc 2>&1) && grep -q "Media summary" <<< "$out" && ok xorriso || fail xorriso "$out"
  try finalize "$tool" close --finalize $drive && same finalized 3
  stage=3
  refused append-finalized "closed for good" "$tool" append $drive "$stages/1"
  case $kind in
    cd-rw | dvd-rw) try blank "$tool" blank --yes $drive && try create-blanked "$tool" create -q -o $drive "$stages/2" && same blanked 2; stage=2 ;;
    *) refused blank "" "$tool" blank --yes $drive ;;
  esac
fi
# a third reader speaks to the drive itself; its commands are not ours
cp "$log" "${log%.log}.ours.log"
mkdir "$work/got"
out=$(udfclient $drive <<< "quit" 2>&1)
volume=$(sed -n 's/^d[rwx-]*  *[-0-9]*  *[-0-9]*  *[0-9]*  *//p' <<< "$out" | head -1)
{ for top in "$stages/$stage"/*; do top=${top##*/}; echo "get \"/$volume/$top\" \"$top\""; done; echo quit; } > "$work/script"
out=$(cd "$work/got" && udfclient $drive < "$work/script" 2>&1)
if why=$(diff -r "$stages/$stage" "$work/got" 2>&1); then ok udfclient; else fail udfclient "$out $why"; fi
# the scratch is in the one large file of the first session
echo "bad-read 1000 1003" > /run/ctl0
sleep 1
refused scratched "/large cannot be read" "$tool" verify $drive
true

#!/bin/bash
# begun.sh MKUDF-MS KIND PROGRAM STAGES, in a guest with a burner at /dev/sr0.  Owns: a disc that another program begins, with a
# volume that we made as an image; we append to it, that program burns the session after that (create -C), and we go on.
tool=$1 kind=$2 program=$3 stages=$4
work=$(mktemp -d /dev/shm/begun.XXXXXX)
. "$(dirname "$0")/steps.sh"
burn() { # FILE first|next: as a session that others can follow
  case $program in
    cdrskin) cdrskin -v dev=$drive -multi -tao "$1" ;;
    xorriso) xorriso -as cdrecord -v dev=$drive -multi "$1" ;;
    # it goes on from ISO 9660 only
    growisofs) if [ "$2" = first ]; then growisofs -use-the-force-luke=notray -Z $drive="$1"; else program=xorriso burn "$@"; fi ;;
  esac && reload
}
reload() { # the kernel believes the size that the disc had until it is taken out
  python3 -c 'import fcntl, os; drive = os.open("/dev/sr0", os.O_RDONLY | os.O_NONBLOCK); [fcntl.ioctl(drive, it) for it in (0x5309, 0x5319)]'
}
case $program in
  iso) # no volume of ours to go on from
    xorriso -as mkisofs -quiet -o "$work/first.iso" "$stages/1" 2>/dev/null
    program=cdrskin
    try burnt burn "$work/first.iso" first || exit 0
    refused iso "no UDF" "$tool" append $drive "$stages/2"
    refused not-blank "not blank" "$tool" create -o $drive "$stages/2"
    exit 0
    ;;
  newfs_udf) # an empty volume that is changed in place
    try format "$tool" format --yes $drive || exit 0
    try made newfs_udf -L "BEGUN $kind" -S 0123456789abcdef -P prim $drive || exit 0
    for n in 1 2 3 4; do try grown-$n "$tool" append -q --mirror --verify $drive "$stages/$n" && same grown-$n $n; done
    try removed "$tool" rm -q $drive /large
    out=$("$tool" info $drive) && grep -q "^accesstype=overwritable" <<< "$out" && ok in-place || fail in-place "$out"
    # it takes the identifier of an application that only UDF may give
    out=$("$tool" check $drive 2>&1); [ "$(grep -c "^error" <<< "$out")" = "$(grep -c "^error R018.*UDFtoolkit" <<< "$out")" ] && ok check || fail check "$out"
    exit 0
    ;;
  mkudffs) # an empty volume with a virtual allocation table
    mkudffs --new-file --media-type=cdr --udfrev=2.01 "$work/first.udf" 1000 >/dev/null
    program=cdrskin
    try burnt burn "$work/first.udf" first || exit 0
    try appended "$tool" append -q --close $drive "$stages/1" && same appended 1
    try mirrored "$tool" append -q --mirror --close $drive "$stages/2" && same mirrored 2
    exit 0
    ;;
esac
try made "$tool" create -q -o "$work/first.udf" -l "BEGUN $kind" "$stages/1" || exit 0
try burnt burn "$work/first.udf" first || exit 0
same begun 1
try appended "$tool" append -q --mirror --close $drive "$stages/2" || exit 0
same continued 2
next=$("$tool" sessions --print-next $drive 2>&1) || { fail print-next "$next"; exit 0; }
try next "$tool" create -q -C "$next" -M $drive -o "$work/next.udf" "$stages/3" || exit 0
try next-burnt burn "$work/next.udf" next || exit 0
# create -C adds to what is there: what went away between the stages is still there
try grown "$tool" append -q --mirror --close $drive "$stages/4" && same grown 4
for n in 1 2; do extracted session-$n $n --session $n; done
out=$("$tool" sessions $drive 2>&1) && [ "$(grep -c . <<< "$out")" = 5 ] && ok sessions || fail sessions "$out"
true

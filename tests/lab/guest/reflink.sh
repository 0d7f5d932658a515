#!/bin/bash
# reflink.sh WORK MKUDF-MS MIB, on the host or in the guest.  Owns: source and image on one XFS with shared extents: making
# the image must not use room for the data again, neither at first nor in an append; and the data must be right.
work=$1 tool=$2 mib=$3
export TZ=UTC0
point=$work/xfs
device=
leave() { umount "$point" 2>/dev/null; [ -z "$device" ] || losetup -d "$device"; rm -f "$work/disk"; }
trap leave EXIT
fail() { echo "FAIL $1: $(tr '\n' ' ' <<< "$2" | tail -c 300)"; }
mkdir -p "$point" && truncate -s $((mib * 3 + 400))M "$work/disk" && mkfs.xfs -q -m reflink=1 "$work/disk" \
  && modprobe loop 2>/dev/null; device=$(losetup -f --show "$work/disk") && mount -t xfs "$device" "$point" || exit 1
used() { sync -f "$point"; df --output=used -k "$point" | tail -1; }
grown() { # NAME KIB-BEFORE: little more than before?  64 MiB is room for XFS's own books, not for the data
  local more=$(( $(used) - $2 ))
  [ $more -lt 65536 ] && echo "ok $1" || fail "$1" "the file system grew by $((more / 1024)) MiB for $mib MiB of data"
}
mkdir "$point/source" "$point/more"
head -c ${mib}M /dev/urandom > "$point/source/large"
head -c 5000 /dev/urandom > "$point/source/small"
head -c 8191 /dev/urandom > "$point/source/odd"
cp --reflink=always "$point/source/large" "$point/more/second"
head -c 100 /dev/urandom >> "$point/more/second"
want=$(cat "$point/source/large" "$point/more/second" | sha256sum)
before=$(used)
if out=$("$tool" create -o "$point/image.udf" "$point/source" 2>&1); then
  grown create-copies-nothing "$before"
  before=$(used)
  if out=$("$tool" append "$point/image.udf" "$point/more" 2>&1); then
    grown append-copies-nothing "$before"
    got=$("$tool" cat "$point/image.udf" /large /second | sha256sum)
    [ "$got" = "$want" ] && echo "ok contents" || fail contents "what cat gives back differs"
    # the extents are shared for good: writing to the source afterwards must not reach the image
    dd if=/dev/zero of="$point/source/large" bs=1M count=2 conv=notrunc status=none
    got=$("$tool" cat "$point/image.udf" /large /second | sha256sum)
    [ "$got" = "$want" ] && echo "ok independence" || fail independence "a change of the source shows in the image"
  else fail append-copies-nothing "$out"; fi
else fail create-copies-nothing "$out"; fi
true

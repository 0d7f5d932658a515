#!/bin/bash
# device.sh WORK MKUDF-MS SOURCE MORE, on the host or in the guest.  Owns: volumes made on a block device and appended to
# there, and what the command must refuse: a device in use, a device that holds something.
# Leaves WORK/disk-SECTOR.udf (created), with WORK/disk-SECTOR-appended.udf after an append.
work=$1 tool=$2 source=$3 more=$4
export TZ=UTC0
device=
leave() { umount "$work/point" 2>/dev/null; [ -z "$device" ] || losetup -d "$device"; }
trap leave EXIT
fail() { echo "FAIL $1: $(tr '\n' ' ' <<< "$2" | tail -c 300)"; }
attach() { device=$(losetup -f --show --sector-size "$1" "$2") || { echo "no loop device"; exit 1; }; }
detach() { losetup -d "$device"; device=; }
modprobe loop 2>/dev/null
mkdir -p "$work/point"
for sector in 512 2048 4096; do
  disk=$work/disk-$sector.udf
  truncate -s 64M "$disk"
  attach $sector "$disk"
  if out=$("$tool" create --verify -o "$device" "$source" 2>&1); then
    echo "ok create-$sector"
    cp --sparse=always "$disk" "$work/disk-$sector-created.udf"
    if out=$("$tool" create -o "$device" "$source" 2>&1); then fail "refuse-udf-$sector" "a new volume over an old one without --force"
    else echo "ok refuse-udf-$sector"; fi
    if out=$("$tool" append --verify "$device" "$more" 2>&1); then echo "ok append-$sector"; else fail "append-$sector" "$out"; fi
    if out=$("$tool" check "$device" 2>&1); then echo "ok check-$sector"; else fail "check-$sector" "$out"; fi
  else fail "create-$sector" "$out"; fi
  detach
  [ ! -e "$work/disk-$sector-created.udf" ] || cp --sparse=always "$disk" "$work/disk-$sector-appended.udf"
done
disk=$work/disk-other
truncate -s 64M "$disk"
mkfs.ext4 -q -F "$disk"
before=$(sha256sum < "$disk")
attach 512 "$disk"
if out=$("$tool" create -o "$device" "$source" 2>&1); then fail refuse-filesystem "made a volume over ext4 without --force"
elif [ "$before" != "$(sync; sha256sum < "$disk")" ]; then fail refuse-filesystem "refused, but wrote to the device"
else echo "ok refuse-filesystem"; fi
for force in "" --force; do
  mount "$device" "$work/point" || { echo "cannot mount"; exit 1; }
  if out=$("$tool" create -o "$device" $force "$source" 2>&1); then fail "refuse-mounted$force" "wrote to a mounted device"
  elif [ "$(blkid -p -o value -s TYPE "$device")" != ext4 ]; then fail "refuse-mounted$force" "refused, but destroyed the file system"
  else echo "ok refuse-mounted$force"; fi
  umount "$work/point"
done
if out=$("$tool" create -o "$device" --force "$source" 2>&1); then
  [ "$(blkid -p -o value -s TYPE "$device")" = udf ] && echo "ok force" || fail force "blkid sees $(blkid -p -o value -s TYPE "$device")"
else fail force "$out"; fi
detach

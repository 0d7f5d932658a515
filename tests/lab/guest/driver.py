"""In the guest.  Owns: loop devices, mounts and the kernel's log by system calls of our own: in a guest each program that is started
costs more than the call that it makes."""

import ctypes
import fcntl
import os
import re
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
LOOP_CONFIGURE, LOOP_CLR_FD, LOOP_CTL_GET_FREE = 0x4C0A, 0x4C01, 0x4C82
LOOP_READ_ONLY = 1
MS_RDONLY = 1
LOG_READ_ALL, LOG_CLEAR, LOG_SIZE = 3, 5, 10
STAMP = re.compile(r"^<\d+>(\[[ \d.]+\] )?", re.MULTILINE)


def attach(image, sector_bytes, writable):
    """A loop device of an image."""
    access = os.O_RDWR if writable else os.O_RDONLY
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    file = os.open(image, access | os.O_CLOEXEC)
    try:
        device = f"/dev/loop{fcntl.ioctl(control, LOOP_CTL_GET_FREE)}"
        loop = os.open(device, access | os.O_CLOEXEC)
        try:
            flags = 0 if writable else LOOP_READ_ONLY
            # struct loop_config, with struct loop_info64 in it
            config = struct.pack("=II 5Q 4I 64s 64s 32s 2Q 8Q", file, sector_bytes, 0, 0, 0, 0, 0, 0, 0, 0, flags,
                                 image.encode()[:63], b"", b"", 0, 0, *[0] * 8)
            fcntl.ioctl(loop, LOOP_CONFIGURE, config)
        finally:
            os.close(loop)
    finally:
        os.close(file)
        os.close(control)
    return device


def detach(device):
    loop = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(loop, LOOP_CLR_FD)
    finally:
        os.close(loop)


def mount(device, point, options="", writable=False, kind="udf"):
    _done(LIBC.mount(device.encode(), point.encode(), kind.encode(), ctypes.c_ulong(0 if writable else MS_RDONLY),
                     options.encode() or None), f"mount {kind}")


def umount(point):
    _done(LIBC.umount2(point.encode(), 0), "umount")


def clear_log():
    _done(LIBC.klogctl(LOG_CLEAR, None, 0), "log")


def log():
    """What the kernel has said since the log was cleared."""
    room = ctypes.create_string_buffer(_done(LIBC.klogctl(LOG_SIZE, None, 0), "log"))
    count = _done(LIBC.klogctl(LOG_READ_ALL, room, len(room)), "log")
    return STAMP.sub("", room.raw[:count].decode("utf-8", "replace")).strip()


def _done(result, what):
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result

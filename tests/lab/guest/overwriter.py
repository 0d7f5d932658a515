"""Owns: BD-R in pseudo-overwrite in the emulated burner, which knows none: a handler for its ring (LAB_HANDLER of lab_drive) that teaches the
model of the drive FORMAT UNIT for it, writes again, and what they cost (MMC-6, BD-R Pseudo-Overwrite Feature).

The file has everything where its address says; where a track would have gone on is used up by what is written again."""
import os
import struct
import sys

sys.path.insert(0, f"{os.environ['LAB']}/emu")
import mmc

CLUSTER, POW = 32, 0x38


class Overwriter(mmc.Drive):
    def is_pow(self):
        return self.m is not None and not self.tray_open and self.m.get("pow", False)

    def op_46(self, c, o):
        reply = super().op_46(c, o)
        if not self.is_pow():
            return reply
        head, features, at = reply[:8], bytearray(reply[8:]), 0
        while at < len(features):
            code, flags, length = struct.unpack(">HBB", features[at:at + 4])
            if code == POW:
                features[at + 2] = flags | 1
            at += 4 + length
        return head + bytes(features)

    def op_04(self, c, o):
        self.need()
        if self.m["kind"] != "bd-r" or self.w or self.is_pow():
            return super().op_04(c, o)
        kind, sub = o[8] >> 2, o[8] & 3
        if kind not in (0x00, 0x32) or sub:
            raise mmc.Sense(*mmc.INVFLD)
        self.m.update(pow=True, orphans=[], replaced=0)
        self.save()

    def op_23(self, c, o):
        reply = bytearray(super().op_23(c, o))
        if self.is_pow():
            reply[8] = 2
        return bytes(reply)

    def cap_readable(self):
        return self.m["cap"] if self.is_pow() else super().cap_readable()

    def track_of(self, lba):
        return next((t for t in self.m["tracks"] if t["start"] <= lba < t["start"] + t["size"]), None)

    def go_on(self, track):
        """Uses up the cluster where a track goes on."""
        at = track["nwa"]
        track["nwa"] = at + CLUSTER if at + CLUSTER < track["start"] + track["size"] else None
        if track["st"] == "blank":
            track["st"] = "incomplete"
        self.mark(at, at + CLUSTER)
        return at

    def record(self, lba):
        track = self.track_of(lba)
        if track is None:
            raise mmc.Sense(*mmc.RANGE)
        if track["nwa"] is not None and lba > track["nwa"]:
            raise mmc.Sense(*mmc.WADDR)
        if lba == track["nwa"]:
            self.go_on(track)
            return
        left = lambda t: t["start"] + t["size"] - t["nwa"]
        open_ = sorted((t for t in self.m["tracks"] if t["nwa"] is not None), key=lambda t: (t is track, left(t)))
        if not open_:
            raise mmc.Sense(5, 0x63, 0)
        orphans = self.m["orphans"]
        orphans.append(self.go_on(open_[-1]))
        if lba in orphans:
            orphans.remove(lba)
        self.m["replaced"] += 1

    def rw(self, lba, n, o):
        if not self.is_pow():
            return super().rw(lba, n, o)
        self.need()
        if o is None:
            if lba + n > self.m["cap"]:
                raise mmc.Sense(*mmc.RANGE)
            orphan = any(a < lba + n and lba < a + CLUSTER for a in self.m["orphans"])
            bad = next((i for i in range(lba, lba + n) if i in self.bad_r), None)
            if orphan or bad is not None or not self.is_written(lba, lba + n):
                raise mmc.Sense(3, 0x11, 0, lba if bad is None else bad)
            self.f.seek(lba * mmc.B)
            found = bytearray(self.f.read(n * mmc.B).ljust(n * mmc.B, b"\0"))
            for at, data in self.cache:
                for i in range(max(at, lba), min(at + len(data) // mmc.B, lba + n)):
                    found[(i - lba) * mmc.B:(i - lba + 1) * mmc.B] = data[(i - at) * mmc.B:(i - at + 1) * mmc.B]
            return bytes(found)
        if lba % CLUSTER or n % CLUSTER or len(o) < n * mmc.B:
            raise mmc.Sense(*mmc.INVFLD)
        if any(i in self.bad_w for i in range(lba, lba + n)):
            raise mmc.Sense(3, 0x0C, 0, lba)
        self.writes += 1
        if self.die_after is not None and self.writes > self.die_after:
            self.dead, self.cache = True, []
            raise mmc.Sense(4, 0x44, 0)
        for cluster in range(lba, lba + n, CLUSTER):
            self.record(cluster)
        if self.wcache:
            self.cache.append((lba, bytes(o[:n * mmc.B])))
        else:
            self.f.seek(lba * mmc.B)
            self.f.write(o[:n * mmc.B])
        return b""


mmc.Drive = Overwriter
import tcmu  # noqa: E402  It serves what sys.argv says.

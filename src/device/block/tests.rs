//! Tests of block devices: on a loop device where there can be one.

use std::process::Command;

use super::*;

/// A loop device over a file of its own.
struct Loop {
    path: String,
    _file: tempfile::NamedTempFile,
}

impl Loop {
    /// Only root can make one, and not in every container.
    fn new(bytes: u64) -> Option<Self> {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(bytes).unwrap();
        let output = Command::new("losetup").args(["--find", "--show"]).arg(file.path()).output().ok()?;
        let path = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        output.status.success().then_some(Self { path, _file: file })
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.path]).status();
    }
}

#[test]
fn only_block_devices_are_taken() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(BlockDevice::open(file.path()).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(BlockDevice::open("/dev/null").unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn whole_sectors_are_written_from_any_memory_while_nobody_else_has_the_device() {
    let Some(node) = Loop::new(1 << 20) else {
        eprintln!("not tested: no loop device can be made here");
        return;
    };
    let device = BlockDevice::open(&node.path).unwrap();
    assert_eq!((device.size_bytes(), device.sector_size_bytes()), (1 << 20, Some(512)));
    let busy = BlockDevice::open(&node.path).unwrap_err();
    assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);

    let memory: Vec<u8> = (0..4097_u32).map(|index| index.to_le_bytes()[0]).collect();
    for (offset_bytes, bytes) in [(512, &memory[..4096]), (8192, &memory[1..])] {
        device.write_at(offset_bytes, bytes).unwrap();
        let mut out = [0; 4096];
        device.read_at(offset_bytes, &mut out).unwrap();
        assert_eq!(out, bytes);
    }
    assert_eq!(device.write_at(100, &memory[..512]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(device.write_at(0, &memory[..100]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert!(device.write_at(1 << 20, &memory[..512]).is_err());
    assert_eq!(device.reserve((1 << 20) + 1).unwrap_err().kind(), io::ErrorKind::StorageFull);
    device.flush().unwrap();
}

//! What carries commands to a drive.

use std::io;
use std::time::Duration;

use super::sense::Sense;

/// What goes with a command.
#[derive(Debug)]
pub enum Data<'a> {
    /// Nothing.
    None,
    /// From here to the drive.
    Out(&'a [u8]),
    /// From the drive to here.
    In(&'a mut [u8]),
}

/// How a drive answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done; so many bytes came, of those that could.
    Good(usize),
    /// Not done, or with effort, for this reason; so many bytes came.
    Check(Sense, usize),
    /// The drive had no time.
    Busy,
}

/// A way to a drive.
pub trait Transport: Send + Sync {
    /// Has the drive execute a command block, waiting for so long at most. An error means that it is not known what became of
    /// the command.
    fn execute(&self, command: &[u8], data: Data<'_>, timeout: Duration) -> io::Result<Answer>;

    /// The most bytes that go with one command.
    fn transfer_bytes(&self) -> usize {
        1 << 16
    }

    /// Whether what goes out is only lent to the kernel: nobody in this process looks at it, so that it may lie in pages of a file
    /// that others change or cut. Of pages that are gone the error is `EFAULT`, and nothing was sent.
    fn takes_pages(&self) -> bool {
        false
    }

    /// Waits. What only simulates drives need not.
    fn pause(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

impl<T: Transport + ?Sized> Transport for &T {
    fn execute(&self, command: &[u8], data: Data<'_>, timeout: Duration) -> io::Result<Answer> {
        (**self).execute(command, data, timeout)
    }

    fn transfer_bytes(&self) -> usize {
        (**self).transfer_bytes()
    }

    fn takes_pages(&self) -> bool {
        (**self).takes_pages()
    }

    fn pause(&self, time: Duration) {
        (**self).pause(time);
    }
}

//! What servers may answer: one that is not what it seems to be can answer without end, or announce what nobody can keep,
//! for which the clients of both have no limits. How often a password is hashed PostgreSQL's client limits itself.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of all answers of a session: ten thousand measurements have some hundred bytes each.
pub(crate) const SESSION: u64 = 8 << 20;
/// Bytes of one answer, and entries of a list: those of a probe have a few hundred.
const ANSWER: u64 = 1 << 20;
const ENTRIES: u64 = 4096;
/// Bytes of a line.
const LINE: usize = 64 << 10;

/// Looks at what a server says, before its client does.
pub(crate) trait Inspect {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// What of it nobody should read.
    fn inspect(&mut self, bytes: &[u8]) -> Result<(), &'static str>;
}

/// A stream of which no more is read than whoever asks needs.
#[derive(Debug)]
pub(crate) struct Bounded<S, I> {
    stream: S,
    inspect: I,
    left: u64,
}

impl<S, I> Bounded<S, I> {
    /// Reads at most `left` bytes.
    pub(crate) fn new(stream: S, inspect: I, left: u64) -> Self {
        Self {
            stream,
            inspect,
            left,
        }
    }
}

impl<S: AsyncRead + Unpin, I: Inspect + Unpin> AsyncRead for Bounded<S, I> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = &polled {
            let new = buffer.filled().get(before..).unwrap_or_default();
            let refused = |why| Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
            match this.left.checked_sub(new.len() as u64) {
                Some(left) => this.left = left,
                None => return refused("the server answers without end"),
            }
            if let Err(why) = this.inspect.inspect(new) {
                return refused(why);
            }
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin, I: Unpin> AsyncWrite for Bounded<S, I> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Passes over what `left` says is to come; returns what is behind it.
fn pass<'a>(left: &mut u64, bytes: &'a [u8]) -> &'a [u8] {
    let passed = bytes
        .len()
        .min(usize::try_from(*left).unwrap_or(usize::MAX));
    *left -= passed as u64;
    bytes.get(passed..).unwrap_or_default()
}

/// Messages of PostgreSQL: a letter, a length of four bytes that counts itself, and so many bytes less four.
#[derive(Debug, Default)]
pub(crate) struct PostgresMessages {
    header: Vec<u8>,
    /// Bytes of the message that have not come yet.
    left: u64,
}

impl Inspect for PostgresMessages {
    fn inspect(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left == 0 {
                self.header.push(*first);
                bytes = rest;
                let [_, a, b, c, d] = self.header[..] else {
                    continue;
                };
                self.header.clear();
                self.left = u64::from(u32::from_be_bytes([a, b, c, d])).saturating_sub(4);
                if self.left > ANSWER {
                    return Err("the server announces a message that nobody should read");
                }
                continue;
            }
            bytes = pass(&mut self.left, bytes);
        }
        Ok(())
    }
}

/// Answers of Redis (RESP 2 and 3): lines, of which the first byte says what follows.
#[derive(Debug, Default)]
pub(crate) struct RedisAnswers {
    line: Vec<u8>,
    /// Bytes of a text that have not come yet, its line break with it.
    left: u64,
    entries: u64,
}

impl Inspect for RedisAnswers {
    fn inspect(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                bytes = pass(&mut self.left, bytes);
                continue;
            }
            bytes = rest;
            if *first != b'\n' {
                self.line.push(*first);
                if self.line.len() > LINE {
                    return Err("the server answers with a line without end");
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = std::str::from_utf8(&line).unwrap_or_default().trim_end();
            let number = line.get(1..).and_then(|digits| digits.parse::<u64>().ok());
            match (line.as_bytes().first(), number) {
                (Some(b'$' | b'!' | b'='), Some(length)) if length > ANSWER => {
                    return Err("the server announces a text that nobody should read");
                }
                (Some(b'$' | b'!' | b'='), Some(length)) => self.left = length + 2,
                // Lists within lists count together.
                (Some(b'*' | b'%' | b'~' | b'>' | b'|'), Some(entries)) => {
                    self.entries = self.entries.saturating_add(entries);
                    if self.entries > ENTRIES {
                        return Err("the server announces a list that nobody should read");
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In one piece, and byte by byte.
    fn inspected<I: Inspect + Default>(bytes: &[u8]) -> Result<(), &'static str> {
        let whole = I::default().inspect(bytes);
        let mut one_by_one = I::default();
        let single = bytes
            .chunks(1)
            .try_for_each(|byte| one_by_one.inspect(byte));
        assert_eq!(whole, single);
        whole
    }

    #[test]
    fn inspect_of_postgres_takes_what_it_says_and_refuses_what_nobody_reads() {
        let message = |kind: u8, body: &[u8]| {
            let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
            [&[kind][..], &length, body].concat()
        };
        let usual = [
            message(b'R', &[0; 4]),
            message(b'Z', b"I"),
            message(b'n', b""),
            message(b'D', &[7; 4096]),
        ];
        assert_eq!(inspected::<PostgresMessages>(&usual.concat()), Ok(()));
        let long = [&b"D"[..], &(2_u32 << 20).to_be_bytes()].concat();
        let bytes = [usual.concat(), long].concat();
        assert!(inspected::<PostgresMessages>(&bytes).is_err());
    }

    #[test]
    fn inspect_of_redis_takes_what_it_says_and_refuses_what_nobody_reads() {
        let usual = b"+OK\r\n$5\r\n*9\r\n!\r\n:1\r\n$-1\r\n*2\r\n+a\r\n$0\r\n\r\n-ERR x\r\n_\r\n";
        assert_eq!(inspected::<RedisAnswers>(usual), Ok(()));
        for refused in ["$2000000\r\n", "*5000\r\n", "%2147483647\r\n"] {
            let bytes = [&usual[..], refused.as_bytes()].concat();
            assert!(inspected::<RedisAnswers>(&bytes).is_err(), "{refused}");
        }
        assert!(inspected::<RedisAnswers>(&[b'+'; LINE + 1]).is_err());
        assert!(inspected::<RedisAnswers>(&b"*1\r\n".repeat(5000)).is_err());
    }
}

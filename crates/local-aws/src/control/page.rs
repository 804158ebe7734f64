//! Which paths lead to a control page: of this program, or of an emulator, which would forget everything if asked to.

/// Whether an emulator could take `path` for that of a control page, however it reads paths.
///
/// Some decode a path, some more than once, some merge its slashes, or take what follows two of them for a host: so a
/// path is read in every way at once. Nothing of AWS is refused: `_` begins no bucket's name and no path of a service, and
/// what follows a bucket is a key, unless it leads out of the bucket again, which S3 takes for no key either.
pub(crate) fn is_page(path: &str) -> bool {
    let path = decoded(path);
    let mut depth = 0_usize;
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => depth = depth.saturating_sub(1),
            // One that is left again counts too: some emulators look at no more than how a path begins.
            part if depth == 0 && begins_pages(part) => return true,
            _ => depth += 1,
        }
    }
    false
}

/// Whether emulators have control pages below this.
fn begins_pages(part: &[u8]) -> bool {
    part.starts_with(b"_") || part.eq_ignore_ascii_case(b"moto-api")
}

/// `path` without any percent-encoding, as if it were decoded until nothing changes: what a byte completes is decoded with
/// it, so that a path of any length is read once.
fn decoded(path: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(path.len());
    for byte in path.bytes() {
        bytes.push(byte);
        while let [.., b'%', high, low] = bytes[..]
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            bytes.truncate(bytes.len() - 3);
            bytes.push(high << 4 | low);
        }
    }
    bytes
}

fn digit(byte: u8) -> Option<u8> {
    let value = char::from(byte).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_known_however_they_are_written() {
        for path in [
            "/_local-aws/status",
            "/%5flocal-aws/status",
            "/%5Fministack/reset",
            "/%255Fministack/reset",
            "/%25255%46ministack/reset",
            "/%%35Fministack/reset",
            "/_",
            "//_localstack/info",
            "/%2f%2F_localstack/info",
            "_localstack/info",
            "/.//./_localstack/info",
            "/%2e/%2E%2e/_localstack/info",
            "/bucket/../_localstack/info",
            "/bucket/a/..//../_localstack/info",
            "/_localstack/../bucket",
            "/moto-api",
            "/moto-api/",
            "/moto%2Dapi/reset",
            "/%6doto-api%2freset",
            "///moto-api/reset",
            "/MOTO-API/reset",
        ] {
            assert!(is_page(path), "{path}");
        }
    }

    #[test]
    fn what_is_below_a_bucket_is_no_page() {
        for path in [
            "",
            "/",
            "/bucket",
            "/bucket/",
            "/bucket//moto-api/reset",
            "/bucket/moto-api/reset",
            "/bucket/_key",
            "/bucket//_key",
            "/bucket/%5fkey",
            "/bucket/a/../_key",
            "/bucket/..a/../_key",
            "/moto-api.bucket/key",
            "/moto-apis",
            "/a_bucket/%",
            "/bucket/100%_%zz%5",
            "/service/GraniteServiceVersion20100801/operation/PutMetricData",
            "/v20180820/accesspoint/_a",
            "/2015-03-31/functions/_f/invocations",
        ] {
            assert!(!is_page(path), "{path}");
        }
    }

    #[test]
    fn a_path_that_is_encoded_many_times_is_read_once() {
        let deep = format!("/%{}5fministack/reset", "25".repeat(500_000));
        assert!(is_page(&deep));
    }
}

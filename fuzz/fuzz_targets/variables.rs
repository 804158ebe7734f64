#![no_main]
#![expect(missing_docs, reason = "a program without an interface")]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz::variables(bytes));

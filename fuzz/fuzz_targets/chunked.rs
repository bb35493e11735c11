//! Chunked bodies; the first byte says into how large pieces they are cut.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::http1::laws::chunked(bytes));

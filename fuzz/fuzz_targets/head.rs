//! Heads of requests and responses.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    gateway::http1::laws::request(bytes);
    gateway::http1::laws::response(bytes);
});

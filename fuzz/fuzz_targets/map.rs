//! libFuzzer's entry to [`cms_fuzz::map`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cms_fuzz::map(data));

//! libFuzzer's entry to [`cms_fuzz::datatype`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cms_fuzz::datatype(data));

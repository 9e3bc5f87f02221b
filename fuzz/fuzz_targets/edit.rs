//! libFuzzer's entry to [`cms_fuzz::edit`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cms_fuzz::edit(data));

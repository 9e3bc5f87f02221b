//! What running programs see: commits whose texts follow later, texts that cannot be parsed, directories that are
//! replaced. The tests of `texts_behind` run this program again as other processes, under a test named `role`.

mod texts_behind;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use cms::Options;

use crate::live::{Fixture, get};

const APP: &str = "config a 's'\n\toption n '0'\n";

#[test]
fn x_m4_a_verifier_reads_while_another_thread_waits_for_the_lock_of_the_package() {
    let fixture = Fixture::new(&[("app", APP), ("more", APP), ("other", APP)]);
    let live = fixture.live();
    assert_eq!(get(&live, "app.s.n").as_deref(), Some("0"));
    let (calls, took) =
        (std::sync::Arc::new(AtomicU32::new(0)), std::sync::Arc::new(Mutex::new(Duration::ZERO)));
    let (reader, edited) = (live.clone(), fixture.path("config").join("more"));
    let (counted, noted) = (calls.clone(), took.clone());
    let decide = move |_: &cms::Event| {
        if counted.fetch_add(1, Ordering::Relaxed) == 0 {
            // The thread has to look at the text, and whoever is verified holds the lock.
            std::fs::write(&edited, format!("# by hand\n{APP}")).expect("written");
            let refresher = reader.clone();
            std::thread::spawn(move || refresher.get(b"more.s.n", |_| ()));
            std::thread::sleep(Duration::from_millis(300));
            let begun = Instant::now();
            assert_eq!(get(&reader, "other.s.n").as_deref(), Some("0"));
            let mut transaction = reader.begin().expect("begun");
            transaction.set(b"other.s.n", b"1").expect("set");
            drop(transaction);
            *noted.lock().expect("whole") = begun.elapsed();
        }
        Ok(())
    };
    let verifier = live.verify("app", decide).expect("it verifies");
    let writer = cms::Live::open(Options { verify_timeout: Duration::from_secs(20), ..fixture.options() });
    let mut transaction = writer.expect("opens").begin().expect("begun");
    transaction.set(b"app.s.n", b"1").expect("set");
    transaction.set(b"more.s.n", b"1").expect("set");
    transaction.commit().expect("it is not refused");
    assert!(calls.load(Ordering::Relaxed) > 0);
    let took = *took.lock().expect("whole");
    assert!(took < Duration::from_secs(2), "the verifier has waited for {took:?}");
    drop(verifier);
    assert_eq!(fixture.text("more"), format!("# by hand\n{APP}").replace("'0'", "'1'"));
}

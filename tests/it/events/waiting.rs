//! How a program waits for events: with a descriptor or a callback, and with how many watches.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use cms::{Error, Event, MAX_WATCHES, Store, Watch};

use super::{drain, fixture, is_readable, next, set, show, told};

#[test]
fn the_descriptor_is_readable_when_there_is_an_event() {
    let fixture = fixture();
    let live = fixture.live();
    let mut watches: Vec<Watch> = (0..3).map(|_| live.watch("network", None).expect("opens")).collect();
    for watch in &mut watches {
        assert!(is_readable(watch, Duration::ZERO), "at first it has to be looked");
    }
    std::thread::sleep(Duration::from_millis(200));
    for _ in 0..3 {
        watches.iter_mut().for_each(|watch| assert_eq!(drain(watch), [0; 0]));
    }
    for watch in &mut watches {
        assert!(!is_readable(watch, Duration::from_millis(100)));
    }
    let another = Store::open(fixture.options()).expect("opens");
    for round in 0..20 {
        let revision = set(&another, &[("network.lan.mtu", &round.to_string())]);
        for watch in &mut watches {
            let mut found = Vec::new();
            let deadline = Instant::now() + Duration::from_secs(10);
            while found.is_empty() && Instant::now() < deadline {
                assert!(is_readable(watch, Duration::from_secs(10)), "round {round}");
                found = drain(watch);
            }
            assert_eq!(found, [revision]);
        }
    }
    // An edit wakes it as well, without a call in between.
    fixture.write("network", "config interface 'lan'\n\toption mtu '9000'\n");
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut found = Vec::new();
    while found.is_empty() && Instant::now() < deadline {
        assert!(is_readable(&mut watches[0], Duration::from_secs(10)));
        found = drain(&mut watches[0]);
    }
    assert_eq!(found.len(), 1);
}

#[test]
fn one_event_of_many_leaves_the_descriptor_readable() {
    let fixture = fixture();
    let live = fixture.live();
    let mut watch = live.watch("network", None).expect("opens");
    assert!(is_readable(&mut watch, Duration::ZERO));
    assert_eq!(drain(&mut watch), [0; 0]);
    let revisions: Vec<u64> = (0..3).map(|n| set(&live, &[("network.lan.mtu", &n.to_string())])).collect();
    for revision in revisions {
        assert!(is_readable(&mut watch, Duration::from_secs(10)));
        assert_eq!(watch.next(Some(Duration::ZERO)).expect("readable").expect("one").sequence(), revision);
    }
}

#[test]
fn callbacks_may_write_and_end_themselves() {
    let fixture = fixture();
    let live = fixture.live();
    let (sender, receiver) = mpsc::channel();
    let writer = live.clone();
    let subscription = live.subscribe("network.lan.mtu", None, move |event| {
        let event = event.expect("no error");
        let mtu = show(event.change(0).expect("one").after());
        set(&writer, &[("system.s.name", &format!("mtu {mtu}"))]);
        sender.send(event.sequence()).expect("somebody listens");
    });
    let subscription = subscription.expect("subscribed");
    let mut watch = live.watch("system", None).expect("opens");
    for number in 0..20 {
        let revision = set(&live, &[("network.lan.mtu", &number.to_string())]);
        assert_eq!(receiver.recv_timeout(Duration::from_secs(20)), Ok(revision));
        assert!(told(&next(&mut watch))[0].ends_with(&format!("mtu {number}")));
    }
    drop(subscription);
    assert!(receiver.recv().is_err(), "the callback is gone");

    // A subscription that ends itself is not called again; the other is.
    let place: Arc<Mutex<Option<cms::Subscription>>> = Arc::default();
    let calls = Arc::new(AtomicU32::new(0));
    let (mine, counted) = (place.clone(), calls.clone());
    let ending = live.subscribe("network", None, move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        drop(mine.lock().expect("no panic").take());
    });
    *place.lock().expect("no panic") = Some(ending.expect("subscribed"));
    let (sender, receiver) = mpsc::channel();
    let _other =
        live.subscribe("network", None, move |_| sender.send(()).expect("listens")).expect("subscribed");
    for number in 20..23 {
        set(&live, &[("network.lan.mtu", &number.to_string())]);
        receiver.recv_timeout(Duration::from_secs(20)).expect("told");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn there_may_be_so_many_watches_and_no_more() {
    let fixture = fixture();
    let live = fixture.live();
    let (sender, receiver) = mpsc::channel();
    let mut subscriptions = Vec::new();
    for number in 0..MAX_WATCHES - 1 {
        let sender = sender.clone();
        let told = move |event: Result<Event, Error>| {
            sender.send((number, event.expect("no error").sequence())).expect("listens");
        };
        subscriptions.push(live.subscribe("network", None, told).expect("subscribed"));
    }
    let watch = live.watch("*", None).expect("the last one");
    let refused = live.watch("*", None).expect_err("one too many");
    assert!(matches!(refused, Error::TooMany { limit: MAX_WATCHES, .. }));
    assert_eq!(refused.to_string(), "there are 1000 watches of this store already, which is the limit");
    let revision = set(&live, &[("network.lan.mtu", "1")]);
    let mut seen: Vec<usize> = Vec::new();
    for _ in 0..MAX_WATCHES - 1 {
        let (number, sequence) = receiver.recv_timeout(Duration::from_secs(60)).expect("told");
        assert_eq!(sequence, revision);
        seen.push(number);
    }
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..MAX_WATCHES - 1));
    drop(watch);
    live.watch("*", None).expect("there is room again");
}

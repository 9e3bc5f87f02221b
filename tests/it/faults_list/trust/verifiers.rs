//! Verifiers and their sockets: they disclose nothing, and none delays a commit for long. See `faults_list`.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, chown, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cms::Store;
use cms::testing::{Call, Files, Seams as _};

use super::{ANNA, Ground, as_user, set};
use crate::support::probes::before;

/// Puts something at a path.
type Put = Box<dyn Fn(&Path) + Send + Sync>;

/// Replaces a socket by something else, once, after it was bound and before it is opened to change its owner. The
/// second value says whether that was done.
fn exchange(with: Put) -> (Files, Arc<AtomicBool>) {
    let is_done = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&is_done);
    let files = before(move |call, path| {
        let is_socket = call == Call::Open && path.extension().is_some_and(|kind| kind == "socket");
        if is_socket && !done.swap(true, Ordering::Relaxed) {
            std::fs::remove_file(path).expect("the socket is bound");
            with(path);
        }
        Ok(usize::MAX)
    });
    (files, is_done)
}

#[test]
fn x_m2_the_socket_of_a_verifier_gives_no_other_file_away() {
    let Some(ground) = Ground::new("x_m2") else { return };
    ground.give("config", ANNA);
    std::fs::write(ground.path("file"), "root's").expect("written");
    let _socket = UnixListener::bind(ground.path("socket")).expect("bound");
    for name in ["file", "socket"] {
        ground.mode(name, 0o600);
    }
    let (file, socket) = (ground.path("file"), ground.path("socket"));
    let links = [("a link to a file", file.clone()), ("a link to a socket", socket.clone())];
    let links = links
        .map(|(what, to)| -> (_, Put) { (what, Box::new(move |path| symlink(&to, path).expect("linked"))) });
    let same = [("the file itself", file), ("the socket itself", socket)];
    let same = same.map(|(what, to)| -> (_, Put) {
        (what, Box::new(move |path| std::fs::hard_link(&to, path).expect("linked")))
    });
    let hers: Put = Box::new(|path| {
        UnixListener::bind(path).expect("bound");
        chown(path, Some(ANNA), Some(ANNA)).expect("given");
    });
    let others = [("a socket of hers", hers), ("nothing", Box::new(|_: &Path| ()))];
    for (what, with) in links.into_iter().chain(same).chain(others) {
        let (files, is_done) = exchange(with);
        let options = ground.live().engine().options().clone();
        let live = Store::open(options.files(files)).expect("it opens");
        let opened = live.verify("app", |_| Ok(()));
        assert!(is_done.load(Ordering::Relaxed), "{what}: the moment was not hit");
        assert!(opened.is_err(), "{what}: it verifies where nobody asks");
        for name in ["file", "socket"] {
            let found = std::fs::metadata(ground.path(name)).expect("there");
            assert_eq!((found.uid(), found.mode() & 0o777), (0, 0o600), "{what}: {name} was given away");
        }
        drop(live.verify("app", |_| Ok(())).expect("it verifies"));
    }
}

/// After the socket was opened, nothing uses its path, so there is no other moment for an exchange.
#[test]
fn x_m2_after_it_was_opened_nothing_is_done_to_the_path_of_the_socket() {
    let Some(ground) = Ground::new("x_m2") else { return };
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("x_m2: skipped: it needs strace");
        return;
    }
    ground.give("config", ANNA);
    let mut command = ground.command(0, Path::new("strace"));
    command.args(["-f", "-o", "trace", "-e", "trace=bind,listen,%file"]).arg(ground.path("cms"));
    let mut verifier = command.args(["verify", "app", "--", "true"]).spawn().expect("strace runs");
    let end = Instant::now() + Duration::from_secs(20);
    let trace = loop {
        let trace = std::fs::read_to_string(ground.path("trace")).unwrap_or_default();
        if trace.contains("listen(") || Instant::now() > end {
            break trace;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let pid =
        trace.split_whitespace().next().and_then(|pid| rustix::process::Pid::from_raw(pid.parse().ok()?));
    rustix::process::kill_process(pid.expect("it runs"), rustix::process::Signal::TERM).expect("it runs");
    verifier.wait().expect("it ends with the program");
    let calls: Vec<&str> = trace
        .lines()
        .filter_map(|line| line.split_once(' ').map(|(_, call)| call.trim_start()))
        .skip_while(|call| !call.starts_with("bind("))
        .take_while(|call| !call.starts_with("listen("))
        .collect();
    let [bind, open, own, mode] = calls[..] else { panic!("{calls:?} of {trace}") };
    assert!(bind.contains(".socket"), "{bind}");
    assert!(open.starts_with("openat(") && open.contains("O_NOFOLLOW") && open.contains("O_PATH"), "{open}");
    assert!(own.starts_with("fchownat(") && own.contains("\"\", ") && own.contains("AT_EMPTY_PATH"), "{own}");
    assert!(mode.contains("\"/proc/self/fd/"), "{mode}");
}

#[test]
fn x_m11_a_question_that_comes_slowly_or_is_too_large_keeps_nobody_from_committing() {
    let Some(ground) = Ground::new("x_m11") else { return };
    ground.group("config", ANNA, 0o775);
    let live = ground.live();
    let _verifier = live.verify("app", |_| Ok(())).expect("it verifies");
    let found = std::fs::metadata(ground.path("config")).expect("there");
    let notes = ground.path(&format!("run/verifiers/{:x}-{:x}", found.dev(), found.ino()));
    let files = std::fs::read_dir(notes).expect("there").map(|entry| entry.expect("readable").path());
    let socket =
        files.into_iter().find(|path| path.extension().is_some_and(|end| end == "socket")).expect("one");
    let is_over = Arc::new(AtomicBool::new(false));
    let over = is_over.clone();
    let attack = as_user(ANNA, move || {
        let head = [&b"cmsQ1\0\0\0"[..], &(1_u64 << 40).to_le_bytes()].concat();
        // A question that announces an impossible length is dropped.
        let mut large = UnixStream::connect(&socket).expect("the group may ask");
        large.write_all(&head).expect("sent");
        large.set_read_timeout(Some(Duration::from_secs(4))).expect("set");
        let is_cut = matches!(std::io::Read::read(&mut large, &mut [0; 8]), Ok(0));
        // Other questions come byte by byte.
        let head = [&b"cmsQ1\0\0\0"[..], &4096_u64.to_le_bytes()].concat();
        let mut slow: Vec<_> = (0..20).filter_map(|_| UnixStream::connect(&socket).ok()).collect();
        slow.iter_mut().for_each(|one| drop(one.write_all(&head)));
        while !over.load(Ordering::Relaxed) {
            slow.iter_mut().for_each(|one| drop(one.write_all(b"x")));
            std::thread::sleep(Duration::from_millis(200));
        }
        is_cut
    });
    std::thread::sleep(Duration::from_millis(500));
    for value in 0..5 {
        let start = Instant::now();
        set(&live, "app.s.pw", &value.to_string());
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    }
    is_over.store(true, Ordering::Relaxed);
    assert!(attack.join().expect("it ends"), "a question of a terabyte was listened to");
}

#[test]
fn x_m11_a_verifier_that_hangs_is_waited_for_once_and_not_by_each_thread() {
    let fixture = crate::support::fixture::Fixture::new(&[("app", "config a 's'\n")]);
    let verifier = |sleep: Duration| {
        fixture.live().verify("app", move |_| {
            std::thread::sleep(sleep);
            Ok(())
        })
    };
    let hanging = verifier(Duration::from_secs(4)).expect("it verifies");
    let live = Store::open(fixture.options().verify_timeout(Duration::from_secs(1))).expect("it opens");
    let start = Instant::now();
    let threads: Vec<_> = (0..6)
        .map(|number| {
            let live = live.clone();
            std::thread::spawn(move || {
                let mut transaction = live.begin().expect("few are open");
                transaction.set(format!("app.s.o{number}").as_bytes(), b"1").expect("set");
                transaction.commit().expect_err("it hangs").to_string()
            })
        })
        .collect();
    let said: Vec<String> = threads.into_iter().map(|thread| thread.join().expect("it ends")).collect();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert_eq!(
        said.iter().filter(|said| said.contains("has not answered within 1 s")).count(),
        1,
        "{said:?}"
    );
    assert_eq!(
        said.iter().filter(|said| said.contains("has not answered an earlier question yet")).count(),
        5,
        "{said:?}"
    );
    // Once it continues, it is asked again.
    drop(hanging);
    let _quick = verifier(Duration::ZERO).expect("it verifies");
    set(&live, "app.s.o", "1");
}

//! Files and links that other users put at the paths of directories, and into them. See `faults_list`.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cms::{Delta, DeltaKind, DirOptions, Dirs, Engine, Form, Options, Store};

use super::{ANNA, Ground, as_user, in_a_system_of_its_own, set};
use crate::support::fixture::get;

#[test]
fn x_h2_what_another_user_puts_in_the_place_of_the_save_directory_is_not_used() {
    let Some(ground) = Ground::new("x_h2") else { return };
    ground.make("shared", 0, 0o1777);
    let options = |save: &str| {
        let path = |name: &str| Some(ground.path(name));
        let wanted =
            DirOptions::new().config(path("config")).save(path(save)).run(path("run")).state(path("state"));
        Options::new().dirs(Dirs::choose(wanted))
    };
    let store = Engine::new(options("shared/.uci"));
    let place = store.packages().find(b"app").expect("there");
    // She makes a directory of her own, and removes it and makes it again all the time.
    let (there, away) = (ground.path("shared/.uci"), ground.path("shared/.uci-x"));
    let is_over = Arc::new(AtomicBool::new(false));
    let (over, file) = (is_over.clone(), away.join("app"));
    let attack = as_user(ANNA, move || {
        std::fs::create_dir(&away).expect("made");
        std::fs::write(&file, "app.s.pw='evil'\n").expect("written");
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o666)).expect("hers");
        let mut flips = 0_u32;
        while !over.load(Ordering::Relaxed) {
            let _ = std::fs::rename(&away, &there);
            (0..flips % 16 * 12).for_each(|_| std::hint::spin_loop());
            let _ = std::fs::rename(&there, &away);
            flips += 1;
        }
        std::fs::read_to_string(&file).expect("hers")
    });
    let end = Instant::now() + Duration::from_secs(4);
    while Instant::now() < end {
        let _ = store.commit(&place, Form::Lossless);
        assert!(!ground.text("app").contains("evil"), "her change was committed by root");
    }
    let pw = |value: &[u8]| Delta::new(DeltaKind::Set, b"s", Some(b"pw"), Some(value));
    for _ in 0..2000 {
        let _ = store.staging().stage(&place, &[pw(b"SECRET")]);
    }
    is_over.store(true, Ordering::Relaxed);
    let hers = attack.join().expect("it ends");
    assert!(!hers.contains("SECRET"), "root has staged into her file");
    // A link at the path of a file is not followed.
    std::fs::write(ground.path("target"), "as it was\n").expect("written");
    let _ = std::fs::remove_dir_all(ground.path("save"));
    ground.make("save", 0, 0o755);
    symlink(ground.path("target"), ground.path("save/app")).expect("linked");
    let store = Engine::new(options("save"));
    assert!(store.staging().stage(&place, &[pw(b"new")]).is_err());
    assert_eq!(std::fs::read_to_string(ground.path("target")).expect("there"), "as it was\n");
}

#[test]
fn s19_only_root_stages_in_tmp_uci_and_each_configuration_has_its_own_changes() {
    let Some(ground) = Ground::new("s19") else { return };
    let script = "
        anna $G/cms set app.s.pw=hers; anna $G/uci set app.s.pw=also; ls -A /tmp
        $G/cms set app.s.pw=roots; $G/uci set app.s.n=1; find /tmp/.uci -type f -name app
        $G/cms -c $G/other set app.s.pw=elsewhere; find /tmp/.uci -type f -name app | sort
        $G/cms commit; grep pw /etc/config/app $G/other/app
        $G/cms -c $G/other commit; grep pw /etc/config/app $G/other/app
        $G/uci -c $G/other set app.s.pw=shared; cat /tmp/.uci/app; $G/uci -c $G/other commit; grep pw $G/other/app";
    let Some(said) = in_a_system_of_its_own(&ground, script) else { return };
    let expected = ".uci-61001\n/tmp/.uci/app\n/tmp/.uci/%2Fmnt%2Fother/app\n/tmp/.uci/app\n\
        /etc/config/app:\toption pw 'roots'\n/mnt/other/app:\toption pw 'good'\n\
        /etc/config/app:\toption pw 'roots'\n/mnt/other/app:\toption pw 'elsewhere'\n\
        app.s.pw='shared'\n\toption pw 'shared'\n";
    assert_eq!(said, expected);
}

#[test]
fn s19_what_another_user_has_put_in_the_place_of_tmp_uci_is_renamed_aside_with_one_notice() {
    let Some(ground) = Ground::new("s19, aside") else { return };
    let script = "
        anna mkdir /tmp/.uci; anna sh -c \"echo \\\"app.s.pw='evil'\\\" > /tmp/.uci/app\"
        $G/cms get app.s.pw; $G/cms commit; grep pw /etc/config/app
        $G/cms set app.s.pw=mine; stat -c %u /tmp/.uci; $G/cms commit; grep pw /etc/config/app
        rm -r /tmp/.uci; anna ln -s /etc /tmp/.uci
        $G/uci set app.s.pw=third; stat -c %F /tmp/.uci; $G/uci commit; grep pw /etc/config/app; ls -A /etc
        ls -A /tmp | sed 's/root-.*/root/'";
    let Some(said) = in_a_system_of_its_own(&ground, script) else { return };
    let (notices, rest): (Vec<_>, Vec<_>) =
        said.lines().partition(|line| line.contains("did not belong to root"));
    let expected = [
        "good",
        "\toption pw 'good'",
        "0",
        "\toption pw 'mine'",
        "directory",
        "\toption pw 'third'",
        "config",
        ".uci",
        ".uci.not-root",
        ".uci.not-root",
    ];
    assert_eq!((rest, notices.len()), (expected.to_vec(), 2), "{said}");
}

#[test]
fn x_m1_nobody_else_can_keep_a_commit_from_being_published() {
    let Some(ground) = Ground::new("x_m1") else { return };
    let (writer, reader) = (ground.live(), ground.live());
    set(&writer, "app.s.pw", "one");
    assert_eq!(get(&reader, "app.s.pw").as_deref(), Some("one"));
    let maps = ground.maps();
    let (is_over, waits) = std::sync::mpsc::channel::<()>();
    let (locked, is_locked) = std::sync::mpsc::channel();
    let attack = as_user(ANNA, move || {
        let files = std::fs::read_dir(maps).expect("readable").map(|entry| entry.expect("readable").path());
        let open: Vec<_> = files.filter_map(|path| std::fs::File::open(path).ok()).collect();
        let held = open.iter().filter(|file| file.try_lock().is_ok()).count();
        locked.send(held).expect("it waits");
        let _ = waits.recv();
    });
    assert!(is_locked.recv().expect("it runs") > 0, "what readers may open can be locked");
    let start = Instant::now();
    set(&writer, "app.s.pw", "two");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(get(&reader, "app.s.pw").as_deref(), Some("two"));
    drop(is_over);
    attack.join().expect("it ends");
    // If publishing fails all the same, readers do not keep the old value.
    let lock = std::fs::File::open(ground.maps().join("lock")).expect("root's");
    lock.lock().expect("locked");
    let options = writer.engine().options().clone().lock_timeout(Duration::from_millis(200));
    set(&Store::open(options).expect("it opens"), "app.s.pw", "three");
    let options = reader.engine().options().clone().lock_timeout(Duration::from_millis(200));
    assert_eq!(get(&Store::open(options).expect("it opens"), "app.s.pw").as_deref(), Some("three"));
    let seen = std::thread::spawn(move || get(&reader, "app.s.pw"));
    std::thread::sleep(Duration::from_millis(300));
    drop(lock);
    assert_eq!(seen.join().expect("it ends").as_deref(), Some("three"));
}

#[test]
fn x_m3_files_of_the_run_and_state_directories_are_not_made_where_another_user_leads_them() {
    let Some(ground) = Ground::new("x_m3") else { return };
    ground.make("target", 0, 0o755);
    let is_untouched = |what: &str| {
        let inside = std::fs::read_dir(ground.path("target")).expect("there").count();
        assert_eq!(inside, 0, "{what}");
        assert_ne!(ground.text("app"), "", "{what}");
    };
    let uci = |words: &[&str]| {
        ground.copy(&ground.path("cms"), "uci");
        ground.command(0, &ground.path("uci")).args(words).output().expect("uci runs")
    };
    // She owns the run directory, and the links in it lead to another directory.
    ground.make("run", ANNA, 0o755);
    for name in ["locks", "rejected", "maps"] {
        symlink(ground.path("target"), ground.path("run").join(name)).expect("linked");
    }
    ground.ok(0, &["set", "--commit", "app.s.pw=one"]);
    assert!(ground.text("app").contains("one"));
    std::fs::create_dir_all(ground.path("save")).expect("made");
    std::fs::write(ground.path("save/app"), "app.s.pw='two'\n-app.none.x\n").expect("staged");
    uci(&["commit", "app"]);
    ground.ok(0, &["get", "app.s.pw"]);
    is_untouched("run directory");
    // It is not used even if she owns the configuration: the last component of the path must not be her link.
    ground.give("config", ANNA);
    ground.ok(0, &["set", "--commit", "app.s.pw=three"]);
    is_untouched("run directory of the owner");
    // The same with the state directory: she owns it, with a log that root could have made, and a link instead of its
    // directory of texts.
    std::fs::remove_dir_all(ground.path("run")).expect("removed");
    std::fs::remove_dir_all(ground.path("state")).expect("removed");
    ground.make("state", ANNA, 0o755);
    let log = format!("state/{}", ground.path("config").to_str().expect("UTF-8").replace('/', "%2F"));
    ground.make(&log, ANNA, 0o755);
    for name in ["texts", "snapshots"] {
        symlink(ground.path("target"), ground.path(&log).join(name)).expect("linked");
    }
    let _ = ground.cms(0, &["set", "--commit", "app.s.pw=four"]);
    let _ = ground.cms(0, &["snapshot", "label"]);
    is_untouched("texts of the log");
    // A state directory that is a link itself.
    std::fs::remove_dir_all(ground.path(&log)).expect("removed");
    symlink(ground.path("target"), ground.path(&log)).expect("linked");
    let _ = ground.cms(0, &["set", "--commit", "app.s.pw=five"]);
    is_untouched("log");
    // A state directory of a user who does not own the configuration.
    std::fs::remove_file(ground.path(&log)).expect("removed");
    ground.give("config", 0);
    let said = ground.cms(0, &["set", "--commit", "app.s.pw=six"]);
    assert!(ground.text("app").contains("six"), "{}", String::from_utf8_lossy(&said.stderr));
    assert!(!ground.path(&log).exists());
}

//! Secrets are in no copy that more users may read than the package. See `faults_list`.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use cms::Durability;

use super::{ANNA, BERT, Ground, set};
use crate::support::fixture::get;

#[test]
fn x_h5_who_may_write_a_package_has_no_part_in_its_map() {
    let Some(ground) = Ground::new("x_h5") else { return };
    ground.write("hers", "config a 's'\n\toption pw 'good'\n");
    ground.give("config/hers", ANNA);
    ground.group("config/app", ANNA, 0o664);
    ground.group("config", ANNA, 0o775);
    let live = ground.live();
    assert_eq!(get(&live, "app.s.pw").as_deref(), Some("good"));
    assert_eq!(get(&live, "hers.s.pw").as_deref(), Some("good"));
    for (name, group) in [("app.map", ANNA), ("hers.map", ANNA), ("control", 0)] {
        let found = std::fs::metadata(ground.maps().join(name)).expect("there");
        assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (0, group, 0o644), "{name}");
        let mut command = ground.command(ANNA, Path::new("truncate"));
        let output = command.args(["-s", "0"]).arg(ground.maps().join(name)).output().expect("runs");
        assert!(!output.status.success(), "{name}");
    }
    // A map that she owns nevertheless, for example because an older version has made it, is not mapped.
    chown(ground.maps().join("hers.map"), Some(ANNA), None).expect("given");
    assert_eq!(get(&ground.live(), "hers.s.pw").as_deref(), Some("good"));
    assert_eq!(std::fs::metadata(ground.maps().join("hers.map")).expect("there").uid(), 0, "it was replaced");
    // Her commits are noticed like edits by hand, and a message says so.
    assert!(ground.ok(ANNA, &["paths"]).contains("see your commits as edits by hand"));
    assert!(!ground.ok(0, &["paths"]).contains("edits by hand"));
    ground.ok(ANNA, &["set", "--commit", "app.s.pw=changed"]);
    assert!(live.refresh().expect("readable"));
    assert_eq!(get(&live, "app.s.pw").as_deref(), Some("changed"));
    // If she may not read the map, she reads a private one.
    ground.mode("config/app", 0o660);
    assert_eq!(ground.ok(ANNA, &["get", "app.s.pw"]), "changed\n");
}

#[test]
fn x_h4_a_secret_is_in_no_copy_that_more_users_may_read_than_the_package() {
    let Some(ground) = Ground::new("x_h4") else { return };
    let live = ground.live();
    let (nobody, text) = (Vec::<String>::new(), "config a 's'\n\toption pw 'good'\n");
    assert_eq!(get(&live, "app.s.pw").as_deref(), Some("good"));
    assert_ne!(ground.shows(ANNA, "good"), nobody);
    // The mode.
    ground.mode("config/app", 0o600);
    ground.ok(0, &["set", "--commit", "app.s.pw=SECRET1"]);
    assert_eq!(
        (ground.shows(ANNA, "SECRET1"), get(&live, "app.s.pw").as_deref()),
        (nobody.clone(), Some("SECRET1"))
    );
    // The group.
    ground.group("config/app", ANNA, 0o640);
    set(&live, "app.s.pw", "theirs");
    assert_ne!(ground.shows(ANNA, "theirs"), nobody);
    ground.group("config/app", BERT, 0o640);
    set(&live, "app.s.pw", "SECRET2");
    assert_eq!(
        (ground.shows(ANNA, "SECRET2"), get(&live, "app.s.pw").as_deref()),
        (nobody.clone(), Some("SECRET2"))
    );
    let shown = ground.shows(BERT, "SECRET2");
    assert_eq!(shown.len(), 2, "the text and the map: {shown:?}");
    // Another file at its path, which reading the history detects.
    ground.mode("config/app", 0o644);
    set(&live, "app.s.pw", "public");
    assert_ne!(ground.shows(ANNA, "public"), nobody);
    std::fs::write(ground.path("new"), text.replace("good", "SECRET3")).expect("written");
    ground.mode("new", 0o600);
    std::fs::rename(ground.path("new"), ground.path("config/app")).expect("renamed");
    ground.ok(0, &["history"]);
    live.refresh().expect("readable");
    assert_eq!(
        (ground.shows(ANNA, "SECRET3"), get(&live, "app.s.pw").as_deref()),
        (nobody.clone(), Some("SECRET3"))
    );
    // Deferred texts.
    let late = ground.live_at(Durability::Log);
    ground.mode("config/app", 0o644);
    set(&late, "app.s.pw", "open");
    late.flush().expect("written");
    ground.mode("config/app", 0o600);
    set(&late, "app.s.pw", "SECRET4");
    assert_eq!(ground.shows(ANNA, "SECRET4"), nobody);
    late.flush().expect("written");
    assert_eq!((ground.shows(ANNA, "SECRET4"), get(&live, "app.s.pw").as_deref()), (nobody, Some("SECRET4")));
}

#[test]
fn x_h4_staged_secrets_are_not_readable_by_more_users_than_the_package() {
    let Some(ground) = Ground::new("x_h4, staged") else { return };
    let nobody = Vec::<String>::new();
    for program in ["cms", "uci"] {
        ground.copy(&ground.path("cms"), "uci");
        let stage = |value: &str| {
            let mut command = ground.command(0, &ground.path(program));
            let setting = format!("app.s.pw={value}");
            let status = command.args(["set", &setting]).status().expect("runs");
            assert!(status.success());
        };
        ground.mode("config/app", 0o644);
        stage("public");
        assert!(ground.path("save/app").exists());
        ground.mode("config/app", 0o600);
        stage("S3CRET-of-x-h4");
        assert_eq!(ground.shows(ANNA, "S3CRET-of-x-h4"), nobody, "{program}");
        let kept = std::fs::metadata(ground.path("save/app")).expect("there");
        assert_eq!(kept.mode() & 0o777, 0o600);
        assert_eq!(ground.ok(0, &["get", "app.s.pw"]), "S3CRET-of-x-h4\n");
        // Staged changes of a package with another group.
        ground.group("config/app", ANNA, 0o640);
        stage("theirs");
        ground.group("config/app", BERT, 0o640);
        stage("H1DDEN-of-x-h4");
        assert_eq!(ground.shows(ANNA, "H1DDEN-of-x-h4"), nobody, "{program}");
        ground.ok(0, &["revert", "app"]);
        ground.group("config/app", 0, 0o644);
    }
}

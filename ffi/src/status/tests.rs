use super::*;

#[test]
fn each_kind_of_error_has_a_status_of_its_own() {
    let statuses: Vec<cms_status> = Code::ALL.into_iter().map(of_code).collect();
    for (number, status) in statuses.iter().enumerate() {
        assert_ne!(*status, CMS_ERR_INTERNAL, "{:?}", Code::ALL[number]);
        assert!(!statuses[..number].contains(status), "{status:?}");
    }
}

#[test]
fn a_panic_becomes_a_status_and_a_message_and_is_not_printed() {
    const ALONE: &str = "CMS_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        // The hook belongs to the process, and other tests take it away.
        let name = "status::tests::a_panic_becomes_a_status_and_a_message_and_is_not_printed";
        let mut test = std::process::Command::new(std::env::current_exe().expect("this program"));
        let ran = test.args(["--exact", name]).env(ALONE, "1").output().expect("it runs");
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    record_panics();
    let status = guard(|| panic!("two\nlines"));
    let _ = std::panic::take_hook();
    assert_eq!(status, CMS_ERR_INTERNAL);
    let LastError::Details(last) = LAST.replace(LastError::Details(NONE)) else {
        panic!("it has details already")
    };
    assert_eq!((last.status, last.file, last.key), (CMS_ERR_INTERNAL, vec![0], vec![0]));
    let message = String::from_utf8(last.message).expect("text");
    assert!(message.contains("ffi/src/status/tests.rs") && message.ends_with("two lines\0"), "{message:?}");
}

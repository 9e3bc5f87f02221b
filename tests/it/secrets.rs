//! Secret values: no output for people has one, unless it was asked for.

use crate::support::sandbox::Sandbox;

/// The values of the marked options. None is a part of another text.
const SECRETS: [&str; 6] =
    ["hunter2xyzzy", "s3cr3tplugh", "list0ne4242", "listtw07777", "staged9x9x9x", "part'ed quote"];

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("cms", "config secret\n\tlist key 'app.*.token'\n\tlist key 'app.db.password'\n");
    sandbox.write(
        "app",
        "# the application\nconfig api 'api'\n\toption token 'hunter2xyzzy' # first\n\toption port '80'\n\
         config db 'db'\n\toption password 's3cr3tplugh'\n\toption user 'dbuser'\n\
         config peers\n\tlist token 'list0ne4242'\n\tlist token 'listtw07777'\n",
    );
    sandbox
}

/// Commands that print values, and a word that they print all the same.
const COMMANDS: [(&[&str], &str); 23] = [
    (&["show", "app"], "dbuser"),
    (&["show", "app.db"], "dbuser"),
    (&["show", "app.api.token"], "token"),
    (&["show", "app", "--format", "sh"], "dbuser"),
    (&["show", "app", "--json"], "dbuser"),
    (&["show", "app.db", "--json"], "dbuser"),
    (&["show", "app.api.token", "--json"], "token"),
    (&["changes"], "token"),
    (&["changes", "--json"], "token"),
    (&["diff"], "token"),
    (&["diff", "--keys"], "token"),
    (&["diff", "--json"], "token"),
    (&["history"], "token"),
    (&["history", "--json"], "token"),
    (&["history", "app.api.token"], "token"),
    (&["diff", "-1", "now"], "token"),
    (&["diff", "-1", "now", "--json"], "token"),
    (&["blame", "app"], "dbuser"),
    (&["blame", "app", "--json"], "dbuser"),
    (&["search", "token"], "token"),
    (&["search", "token", "--json"], "token"),
    (&["search", "--values", "e"], "dbuser"),
    (&["-v", "changes"], "app"),
];

#[test]
fn a_search_does_not_tell_a_secret() {
    let sandbox = sandbox();
    assert!(sandbox.ok(&["search", "--values", "dbuser"]).contains("app.db.user"));
    for secret in ["s3cr3t", "hunter2xyzzy", "list0ne"] {
        let output = sandbox.run(&["search", "--values", secret]);
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
        assert!(sandbox.ok(&["search", "--values", secret, "--reveal"]).contains(secret));
    }
}

/// Commits a change of a secret, and stages another one.
fn change_secrets(sandbox: &Sandbox) {
    sandbox.ok(&["set", "app.api.token=part'ed quote", "--commit"]);
    sandbox.ok(&["set", "app.api.token=hunter2xyzzy", "--commit"]);
    sandbox.ok(&["set", "app.api.token=staged9x9x9x"]);
}

fn printed(sandbox: &Sandbox, arguments: &[&str]) -> String {
    let output = sandbox.run(arguments);
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn completion_tells_no_secret_and_a_shell_gets_no_stand_in() {
    let sandbox = sandbox();
    assert_eq!(sandbox.ok(&["__complete", "set", "app.db.user="]), "app.db.user=dbuser \n");
    assert_eq!(sandbox.ok(&["__complete", "set", "app.db.password="]), "\n");
    let shown = sandbox.run(&["show", "app.db", "--format", "sh"]);
    assert_eq!(String::from_utf8_lossy(&shown.stdout), "app_db_user='dbuser'\n");
    let said = String::from_utf8_lossy(&shown.stderr).into_owned();
    assert!(said.contains("secret values are left out (1); --reveal prints them"), "{said}");
}

#[test]
fn no_command_prints_a_secret_and_each_does_if_it_is_asked_to() {
    let sandbox = sandbox();
    change_secrets(&sandbox);
    let mut revealed = String::new();
    for (arguments, word) in COMMANDS {
        let text = printed(&sandbox, arguments);
        assert!(text.contains(word), "{arguments:?}: {text}");
        for secret in SECRETS {
            assert!(!text.contains(secret), "{arguments:?} prints {secret}: {text}");
        }
        let text = printed(&sandbox, &[arguments, &["--reveal"]].concat());
        assert!(!text.contains("<secret"), "{arguments:?}: {text}");
        revealed.push_str(&text);
    }
    for secret in SECRETS {
        assert!(revealed.contains(secret) || revealed.contains("part'\\''ed"), "the test looks for {secret}");
    }
}

#[test]
fn a_stand_in_changes_with_the_value_and_stays_the_same_otherwise() {
    let sandbox = sandbox();
    let show = || sandbox.ok(&["show", "app.api.token"]);
    let first = show();
    assert!(first.starts_with("app.api.token=<secret ") && first.trim_end().ends_with('>'), "{first}");
    assert_eq!(show(), first, "also in another process");
    sandbox.ok(&["set", "app.api.token=another", "--commit"]);
    let second = show();
    assert_ne!(second, first);
    let history = sandbox.ok(&["history", "app.api.token", "-n", "1"]);
    let digits = |line: &str| line.trim_end().rsplit_once('=').map(|(_, digits)| digits.to_owned());
    let (was, is) = (digits(&first).expect("a value"), digits(&second).expect("a value"));
    assert!(history.contains(&format!("app.api.token: {was} -> {is}")), "{history}");
}

#[test]
fn an_error_about_a_secret_does_not_quote_it() {
    let sandbox = sandbox();
    sandbox.ok(&["set", "app.db.password=staged9x9x9x"]);
    let text = std::fs::read_to_string(sandbox.path("config").join("app")).expect("readable");
    std::fs::write(sandbox.path("config").join("app"), text.replace("s3cr3tplugh", "hunter2xyzzy"))
        .expect("written");
    let output = sandbox.run(&["commit", "app"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && error.contains("app.db.password"), "{error}");
    for secret in SECRETS {
        assert!(!error.contains(secret), "{error}");
    }
    assert_eq!(error.matches("<secret ").count(), 3, "the base, the staged and the present value: {error}");
}

#[test]
fn programs_and_files_get_the_values_themselves() {
    let sandbox = sandbox();
    assert_eq!(sandbox.ok(&["get", "app.api.token"]), "hunter2xyzzy\n");
    assert!(sandbox.ok(&["export", "app"]).contains("hunter2xyzzy"));
    assert!(sandbox.ok(&["uci", "show", "app"]).contains("hunter2xyzzy"));
}

#[test]
fn a_mark_that_is_no_pattern_is_reported_with_its_place() {
    let sandbox = Sandbox::new();
    sandbox.write("cms", "config secret\n\tlist key 'app.*.token'\n\tlist key 'a b'\n\toption seal '1'\n");
    sandbox.write("app", "config api 'api'\n\toption token 'hunter2xyzzy'\n");
    let text = printed(&sandbox, &["show", "app"]);
    assert!(text.contains("a pattern is PACKAGE.SECTION.OPTION") && text.contains("seal"), "{text}");
    assert!(!text.contains("hunter2xyzzy"), "{text}");
}

#[test]
fn an_option_that_a_schema_calls_secret_has_a_stand_in_as_well() {
    let sandbox = Sandbox::new();
    let field = |name: &str, access: &str| {
        format!("config field\n\toption name '{name}'\n\toption type 'string'\n\toption access '{access}'\n")
    };
    let fields = field("token", "secret") + &field("port", "read-write");
    sandbox.write(
        "app",
        &format!("{fields}config api 'api'\n\toption token 'hunter2xyzzy'\n\toption port '80'\n"),
    );
    sandbox.ok(&["set", "app.api.token=s3cr3tplugh", "--commit"]);
    for arguments in [&["show", "app.api"][..], &["history"], &["diff", "-1", "now"], &["blame", "app"]] {
        let text = printed(&sandbox, arguments);
        assert!(text.contains("<secret ") && text.contains("token"), "{arguments:?}: {text}");
        assert!(!text.contains("hunter2xyzzy") && !text.contains("s3cr3tplugh"), "{arguments:?}: {text}");
    }
    assert!(sandbox.ok(&["show", "app.api", "--reveal"]).contains("s3cr3tplugh"));
    // A text that nothing is marked in is shown even if it cannot be parsed.
    let old = sandbox.read("network");
    sandbox.write("network", &format!("{old}config 'x\n"));
    assert!(sandbox.run(&["blame", "network"]).stdout.windows(9).any(|part| part == b"config 'x"));
}

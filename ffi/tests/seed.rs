//! The three usage examples in C of the first description of this project, unchanged, over an adapter in
//! `tests/seed_c`, which is a thin layer over `cms.h`. They are read from `$CMS_SHARED`, and are not part of this
//! repository.

use std::path::Path;
use std::process::Command;

mod support;

/// Returns the examples: what is between these headings in fences of C.
fn examples(text: &str) -> Vec<&str> {
    let (_, rest) = text.split_once("## Usage Examples").expect("the examples");
    let (examples, _) = rest.split_once("## Implementation Guidelines").expect("their end");
    examples.split("```c\n").skip(1).filter_map(|fence| fence.split("```").next()).collect()
}

/// What the examples must have done.
const CHECKS: &str = r#"
    config_table_insert(store, "users", (KeyValue[]){{"id", {.int_value = 2}}, {"name", {.str_value = "x]y"}}}, 2);
    struct ConfigHashEntry* second = config_table_find(store, "users", "name", "x]y");
    struct ConfigHashEntry* nobody = config_table_find(store, "users", "id", 3);
    printf("host %s port %d\n", host, port);
    printf("timeout %.1f\n", config_get_float(store, "server.timeout", 0));
    printf("none %s %d\n", config_get_string(store, "server.none", "default"), (int)config_get_int(store, "none", 7));
    printf("user %d second %d nobody %d\n", user && user->value_type == TYPE_TABLE, second != NULL, nobody == NULL);
    config_store_close(store);
    return users_table == NULL;
}
"#;

const SAID: &str = "Port: 80\nPort: 443\nPort: 8080\nhost localhost port 8080\ntimeout 30.5\nnone default 7\n\
    user 1 second 1 nobody 1\n";

const TEXT: &str = "config values 'server'\n\toption host 'localhost'\n\toption port '8080'\n\toption timeout '30.5'\n\n\
    config values 'root'\n\tlist allowed_ports '80'\n\tlist allowed_ports '443'\n\tlist allowed_ports '8080'\n\n\
    config users\n\toption id '1'\n\toption name 'admin'\n\toption active '1'\n\n\
    config users\n\toption id '2'\n\toption name 'x]y'\n";

#[test]
fn the_examples_of_the_first_description_compile_unchanged_and_run() {
    let Some(shared) = std::env::var_os("CMS_SHARED") else {
        println!("skipped: CMS_SHARED does not name the directory with the description");
        return;
    };
    let description = Path::new(&shared).join("seeds/002.txt");
    let text = std::fs::read_to_string(&description).expect("the description");
    let examples = examples(&text);
    assert_eq!(examples.len(), 3);
    let dir = tempfile::tempdir().expect("a directory");
    let program = format!("#include \"config.h\"\nint main(void)\n{{\n{}{CHECKS}", examples.concat());
    std::fs::write(dir.path().join("main.c"), program).expect("written");
    let lib = support::library(dir.path());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for standard in ["-std=c11", "-std=gnu17"] {
        let run = dir.path().join(standard);
        std::fs::create_dir_all(run.join("config")).expect("made");
        let mut compiler = support::compiler();
        compiler.args([standard, "-Wall", "-Wextra", "-Wno-unused-variable", "-fsanitize=address", "-g"]);
        compiler.arg("-I").arg(root.join("include")).arg("-I").arg(root.join("tests/seed_c"));
        compiler.arg(dir.path().join("main.c")).arg(root.join("tests/seed_c/config.c"));
        compiler.arg("-o").arg(run.join("program")).arg("-L").arg(&lib).arg("-lcms");
        let built = compiler.output().expect("a compiler");
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success() && !said.contains("tests/seed_c"), "{standard}: {said}");
        let mut program = Command::new(run.join("program"));
        for name in ["config", "save", "run", "state"] {
            program.env(format!("CMS_{}_DIR", name.to_uppercase()), run.join(name));
        }
        let done = program.env("LD_LIBRARY_PATH", &lib).output().expect("the program");
        let (said, complaint) =
            (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert_eq!((&*said, &*complaint, done.status.code()), (SAID, "", Some(0)), "{standard}");
        let text = std::fs::read_to_string(run.join("config/app_config")).expect("the package");
        assert_eq!(text, TEXT, "{standard}");
    }
}

//! Delta files.

use cms::delta::read_lines;

/// Reads `data` as a delta file.
///
/// # Panics
///
/// If the lines do not cover the file exactly, or a change to a package of plain name, written again, is not read
/// back as itself.
pub fn delta(data: &[u8]) {
    let lines = read_lines(data);
    let mut end = 0;
    for line in &lines {
        assert_eq!(line.range.start, end, "lines do not follow each other");
        assert!(line.range.end > end, "a line without bytes");
        end = line.range.end;
    }
    assert_eq!(end, data.len(), "lines do not cover the file");

    // The package is written bare, as stock uci writes it, which is wrong for names that need quotes.
    let is_plain = |package: &[u8]| !package.iter().any(|byte| b"'\"#;\\".contains(byte));
    let changes = lines.into_iter().filter_map(|line| line.delta).filter(|(package, _)| is_plain(package));
    let changes: Vec<_> = changes.collect();
    let mut written = Vec::new();
    for (package, change) in &changes {
        let start = written.len();
        change.write_line(package, &mut written);
        let reread = read_lines(&written[start..]);
        let expected = Some((package.clone(), change.clone()));
        assert!(
            reread.len() == 1 && reread[0].delta == expected,
            "{} -> {reread:?}",
            written[start..].escape_ascii()
        );
    }
    let reread: Vec<_> = read_lines(&written).into_iter().filter_map(|line| line.delta).collect();
    assert_eq!(reread, changes);
}

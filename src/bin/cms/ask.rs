//! Questions to the person at the terminal.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::language::message;

/// Reports whether there is a person to ask: standard input and standard error are a terminal.
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question. Anything but `y` or `yes` means no, the end of the input as well.
pub fn says_yes(question: &str) -> bool {
    let _ = write!(io::stderr(), "{} {} ", cms::shown::lines(message(question).as_bytes()), message("[y/N]"));
    let mut answer = String::new();
    let is_read = io::stdin().lock().read_line(&mut answer).is_ok();
    is_read && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes" | "j" | "ja")
}

/// Asks for one of several answers, until one is given. The first letter of the answer counts; `?` explains them. At the
/// end of the input the answer is the last one.
pub fn choose(question: &str, choices: &[(char, &str)]) -> char {
    let letters: Vec<String> = choices.iter().map(|(letter, _)| letter.to_string()).collect();
    let last = choices.last().map_or('x', |(letter, _)| *letter);
    loop {
        let _ = write!(
            io::stderr(),
            "{} [{},?] ",
            cms::shown::lines(message(question).as_bytes()),
            letters.join(",")
        );
        let mut answer = String::new();
        match io::stdin().lock().read_line(&mut answer) {
            Ok(0) | Err(_) => return last,
            Ok(_) => {}
        }
        let letter = answer.trim().chars().next().map(|letter| letter.to_ascii_lowercase());
        if let Some((chosen, _)) = choices.iter().find(|(choice, _)| Some(*choice) == letter) {
            return *chosen;
        }
        for (choice, meaning) in choices {
            let _ = writeln!(io::stderr(), "    {choice}  {}", message(meaning));
        }
    }
}

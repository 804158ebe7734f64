//! Commands that are printed as a next step, for somebody to paste into a shell.

use std::fmt;

use crate::escape::one_line;

/// A command of a POSIX shell whose values cannot be anything but words of it.
///
/// A lock's ID, a key or an alarm's name is written by whoever may write it, and `x; touch p` is a fine name. Words that
/// the program itself chooses are `'static`; everything else is one quoted word each, on one line, without a character
/// that a terminal would act on and without a backtick, so that it can stand in code of Markdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellCommand {
    text: String,
}

impl ShellCommand {
    /// A program and words that are always the same: `aws rds wait db-instance-available`.
    pub fn new(words: &'static str) -> Self {
        Self {
            text: words.to_owned(),
        }
    }

    /// Further words that are always the same, redirections and placeholders among them.
    #[must_use]
    pub fn words(self, words: &'static str) -> Self {
        self.push(words)
    }

    /// A value, as one word. One that begins with a hyphen comes after `--`, so that it is no option.
    #[must_use]
    pub fn word(self, value: impl AsRef<str>) -> Self {
        let word = quoted(value.as_ref());
        match value.as_ref().starts_with('-') {
            true => self.push("--").push(&word),
            false => self.push(&word),
        }
    }

    /// An option and its value: `--key-id 1f0d…`, and `--key-id=-x` where the value would be taken for an option.
    #[must_use]
    pub fn option(self, name: &'static str, value: impl AsRef<str>) -> Self {
        let value = value.as_ref();
        match value.starts_with('-') {
            true => self.push(&quoted(&format!("{name}={value}"))),
            false => self.push(name).push(&quoted(value)),
        }
    }

    /// A value right behind fixed text, as one word: `-chdir=staging`.
    #[must_use]
    pub fn joined(self, before: &'static str, value: impl AsRef<str>) -> Self {
        self.push(&quoted(&format!("{before}{}", value.as_ref())))
    }

    /// What to ask oneself before; the shell does not read it.
    #[must_use]
    pub fn comment(self, text: impl AsRef<str>) -> Self {
        let text = one_line(text.as_ref()).into_owned();
        self.push(" #").push(&text)
    }

    fn push(mut self, word: &str) -> Self {
        self.text.push(' ');
        self.text.push_str(word);
        self
    }
}

impl fmt::Display for ShellCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<ShellCommand> for String {
    fn from(command: ShellCommand) -> Self {
        command.text
    }
}

/// A value as one word of a POSIX shell.
///
/// Single quotes keep everything but what cannot be shown or would end them. Such a word is written by `printf`, byte by
/// byte where need be; a shell then drops line breaks at its very end, which no name that AWS gives has.
fn quoted(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,@+".contains(&byte);
    // zsh would look for a program behind an equals sign at the start of a word.
    let bare = |(index, byte): (usize, u8)| plain(byte) || (byte == b'=' && index > 0);
    if !value.is_empty() && value.bytes().enumerate().all(bare) {
        return value.to_owned();
    }
    if !value.contains(['\'', '`']) && one_line(value) == value {
        return format!("'{value}'");
    }
    let octal = |byte: u8| match byte {
        byte if plain(byte) || byte == b' ' => char::from(byte).to_string(),
        byte => format!("\\{byte:03o}"),
    };
    let written: String = value.bytes().map(octal).collect();
    // Quoted within single quotes; `--` keeps printf from taking a hyphen for an option.
    format!("\"$(printf -- '{written}')\"")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// What a shell makes of a command: its words.
    fn words(command: &str) -> Vec<String> {
        let output = Command::new("sh").args(["-c", command]).output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{command}: {output:?}"
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let mut words: Vec<String> = text.split('\0').map(str::to_owned).collect();
        words.pop();
        words
    }

    const EACH: &str = "printf '%s\\0'";

    #[test]
    fn plain_words_stay_as_they_are() {
        let command = ShellCommand::new("terraform")
            .joined("-chdir=", "terraform/environments/staging")
            .words("force-unlock")
            .word("9db590f1-b6fe-c5f2-2678-8804f089deba")
            .option("--region", "ca-central-1");
        assert_eq!(
            command.to_string(),
            "terraform -chdir=terraform/environments/staging force-unlock 9db590f1-b6fe-c5f2-2678-8804f089deba \
             --region ca-central-1"
        );
    }

    #[test]
    fn value_that_holds_a_command_is_one_word() {
        let command = |value: &str| {
            ShellCommand::new("terraform force-unlock")
                .word(value)
                .to_string()
        };
        assert_eq!(
            command("x; touch p #"),
            "terraform force-unlock 'x; touch p #'"
        );
        assert_eq!(command("$(id)"), "terraform force-unlock '$(id)'");
        assert_eq!(command("-force"), "terraform force-unlock -- -force");
        assert_eq!(command(""), "terraform force-unlock ''");
        assert_eq!(
            command("a'b"),
            "terraform force-unlock \"$(printf -- 'a\\047b')\""
        );
        let option = ShellCommand::new("aws x")
            .option("--name", "-rf")
            .to_string();
        assert_eq!(option, "aws x --name=-rf");
        let comment = ShellCommand::new("true").comment("x\nfalse").to_string();
        assert_eq!(words(&comment), Vec::<String>::new());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn shell_reads_each_value_as_the_word_that_it_is(
            values in prop::collection::vec("[ -~é\u{1b}\u{7f}\u{9b}\u{202e}\n\t'`$\\\\!;&|<>(){}*?#~=-]{0,12}", 1..4)
        ) {
            // The shell drops line breaks at the end of what printf writes, as the doc says.
            let values: Vec<String> = values.iter().map(|value| value.trim_end_matches('\n').to_owned()).collect();
            let mut command = ShellCommand::new(EACH);
            let mut expected = Vec::new();
            for value in &values {
                command = command.joined("v=", value).option("--name", format!("v{value}"));
                expected.extend([format!("v={value}"), "--name".to_owned(), format!("v{value}")]);
            }
            let text = command.to_string();
            prop_assert_eq!(&*one_line(&text), &text);
            prop_assert!(!text.contains('`'));
            prop_assert_eq!(words(&text), expected, "{}", text);
        }
    }
}

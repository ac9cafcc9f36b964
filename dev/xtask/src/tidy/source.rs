//! A Rust file taken apart: code, strings and comments, each with everything else blanked, and without its tests.

/// Parts of a Rust file; each has the lines and columns of the file.
pub(super) struct Source {
    /// The code, without text of comments, strings and characters.
    pub(super) code: String,
    /// The text of string literals only.
    pub(super) strings: String,
    /// The text of comments only.
    pub(super) comments: String,
}

impl Source {
    /// Takes a file apart.
    pub(super) fn parse(text: &str) -> Self {
        let mut splitter = Splitter::new(text);
        while splitter.step() {}
        splitter.into_source()
    }

    /// Blanks items behind `#[cfg(test)]` in the code and the strings.
    pub(super) fn without_tests(mut self) -> Self {
        while let Some(start) = self.code.find("#[cfg(test)]") {
            let end = item_end(&self.code, start + "#[cfg(test)]".len());
            blank(&mut self.code, start, end);
            blank(&mut self.strings, start, end);
        }
        self
    }
}

/// Names of modules that `#[cfg(test)] mod NAME;` declares.
pub(super) fn test_modules(code: &str) -> Vec<String> {
    let behind = |(at, marker): (usize, &str)| code.get(at + marker.len()..).map(str::trim_start);
    code.match_indices("#[cfg(test)]")
        .filter_map(behind)
        .filter_map(|rest| rest.strip_prefix("mod "))
        .filter_map(|rest| rest.split_once([';', '{']))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

/// The identifiers of code with their line, counted from 1, and the text that follows each.
pub(super) fn identifiers(code: &str) -> impl Iterator<Item = Identifier<'_>> {
    code.lines().enumerate().flat_map(|(index, line)| {
        let starts = line.char_indices().filter(move |&(at, letter)| {
            is_word(letter) && !line.get(..at).and_then(|before| before.chars().next_back()).is_some_and(is_word)
        });
        starts.filter_map(move |(at, _)| {
            let rest = line.get(at..)?;
            let (name, after) = rest.split_at(rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()));
            Some(Identifier { name, before: line.get(..at)?, after, line: index + 1 })
        })
    })
}

/// An identifier in its line.
pub(super) struct Identifier<'a> {
    pub(super) name: &'a str,
    pub(super) before: &'a str,
    pub(super) after: &'a str,
    pub(super) line: usize,
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The end of the item that starts at `from`: behind its `;` or its closing brace.
fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, letter) in code.char_indices().skip_while(|&(at, _)| at < from) {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

fn blank(text: &mut String, start: usize, end: usize) {
    let (Some(head), Some(middle), Some(tail)) = (text.get(..start), text.get(start..end), text.get(end..)) else {
        return;
    };
    let blanked: String = middle.chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }).collect();
    *text = format!("{head}{blanked}{tail}");
}

#[derive(Clone, Copy)]
enum Part {
    Code,
    Text,
    Comment,
}

/// Walks over the letters once. What is not ASCII becomes one `?`, so that all parts have the same columns in bytes.
struct Splitter {
    letters: Vec<char>,
    at: usize,
    code: String,
    strings: String,
    comments: String,
}

impl Splitter {
    fn new(text: &str) -> Self {
        let letters = text.chars().map(|letter| if letter.is_ascii() { letter } else { '?' }).collect();
        Self { letters, at: 0, code: String::new(), strings: String::new(), comments: String::new() }
    }

    fn into_source(self) -> Source {
        Source { code: self.code, strings: self.strings, comments: self.comments }
    }

    /// Takes the next token; false at the end.
    fn step(&mut self) -> bool {
        match (self.peek(0), self.peek(1)) {
            (None, _) => return false,
            (Some('/'), Some('/')) => self.take_while(Part::Comment, |letter| letter != '\n'),
            (Some('/'), Some('*')) => self.block_comment(),
            (Some('"'), _) => self.string(),
            (Some('r'), Some('"' | '#')) if self.starts_raw_string() => self.raw_string(),
            (Some('\''), _) => self.character_or_lifetime(),
            (Some(_), _) => self.take(Part::Code, 1),
        }
        true
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.letters.get(self.at + ahead).copied()
    }

    fn take(&mut self, part: Part, count: usize) {
        for _ in 0..count {
            let Some(letter) = self.peek(0) else { return };
            let hidden = if letter == '\n' { '\n' } else { ' ' };
            let mine = |wanted: bool| if wanted { letter } else { hidden };
            self.code.push(mine(matches!(part, Part::Code)));
            self.strings.push(mine(matches!(part, Part::Text)));
            self.comments.push(mine(matches!(part, Part::Comment)));
            self.at += 1;
        }
    }

    fn take_while(&mut self, part: Part, belongs: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&belongs) {
            self.take(part, 1);
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => {
                    depth += 1;
                    self.take(Part::Comment, 2);
                }
                (Some('*'), Some('/')) => {
                    depth -= 1;
                    self.take(Part::Comment, 2);
                    if depth == 0 {
                        return;
                    }
                }
                (Some(_), _) => self.take(Part::Comment, 1),
                (None, _) => return,
            }
        }
    }

    fn string(&mut self) {
        self.take(Part::Code, 1);
        loop {
            match self.peek(0) {
                Some('"') => return self.take(Part::Code, 1),
                Some('\\') => self.take(Part::Text, 2),
                Some(_) => self.take(Part::Text, 1),
                None => return,
            }
        }
    }

    /// At an `r`: is it the start of a raw string and not the end of a name or a raw identifier?
    fn starts_raw_string(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.letters.get(at)).copied();
        let is_prefix = !before.is_some_and(is_word) || before == Some('b') || before == Some('c');
        let hashes = self.letters.iter().skip(self.at + 1).take_while(|&&letter| letter == '#').count();
        is_prefix && self.peek(1 + hashes) == Some('"')
    }

    fn raw_string(&mut self) {
        let hashes = self.letters.iter().skip(self.at + 1).take_while(|&&letter| letter == '#').count();
        self.take(Part::Code, 2 + hashes);
        loop {
            let closing = self.letters.iter().skip(self.at + 1).take(hashes).filter(|&&letter| letter == '#').count();
            match self.peek(0) {
                Some('"') if closing == hashes => return self.take(Part::Code, 1 + hashes),
                Some(_) => self.take(Part::Text, 1),
                None => return,
            }
        }
    }

    fn character_or_lifetime(&mut self) {
        match (self.peek(1), self.peek(2)) {
            (Some('\\'), _) => {
                // The letter behind the backslash may itself be a quote.
                self.take(Part::Code, 1);
                self.take(Part::Text, 2);
                self.take_while(Part::Text, |letter| letter != '\'');
                self.take(Part::Code, 1);
            }
            (Some(_), Some('\'')) => {
                self.take(Part::Code, 1);
                self.take(Part::Text, 1);
                self.take(Part::Code, 1);
            }
            _ => self.take(Part::Code, 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_code_strings_and_comments_apart() {
        let source = Source::parse("let a = \"in // text\"; // said\n/* b /* c */ d */ let e = r#\"q\"w\"#;");
        assert_eq!(source.code.replace(' ', ""), "leta=\"\";\nlete=r#\"\"#;");
        assert_eq!(source.strings.split_whitespace().collect::<Vec<_>>(), ["in", "//", "text", "q\"w"]);
        assert!(source.comments.contains("// said") && source.comments.contains("/* b /* c */ d */"));
    }

    #[test]
    fn characters_are_text_and_lifetimes_are_code() {
        let source = Source::parse("fn f<'a>(x: &'a str) { x.find('\"'); x.find('\\''); g(\"s\") }");
        assert_eq!(source.code, "fn f<'a>(x: &'a str) { x.find(' '); x.find('  '); g(\" \") }");
    }

    #[test]
    fn parts_keep_lines_and_columns() {
        let text = "let a = \"\u{e4}\n\u{e4}\"; // \u{fc}\nb";
        let source = Source::parse(text);
        assert_eq!(source.code.lines().count(), text.lines().count());
        assert_eq!(source.code.len(), source.strings.len());
        assert_eq!(source.code.len(), source.comments.len());
    }

    #[test]
    fn items_for_tests_are_blanked_and_what_follows_stays() {
        let text = "use a;\n#[cfg(test)]\nmod tests { fn f() { std::fs::x(\"s\"); } }\n#[cfg(test)]\nuse x::{y, z};\nfn g(a: [u8; 2]) {}";
        let source = Source::parse(text).without_tests();
        assert!(!source.code.contains("std::fs") && !source.strings.contains('s'));
        assert!(source.code.contains("use a;") && source.code.contains("fn g(a: [u8; 2]) {}"));
    }

    #[test]
    fn finds_modules_that_are_for_tests() {
        assert_eq!(test_modules("mod a;\n#[cfg(test)]\nmod tests;\n#[cfg(test)] mod b { }"), ["tests", "b"]);
    }

    #[test]
    fn identifiers_are_whole_words_with_their_line() {
        let found: Vec<(String, usize)> =
            identifiers("use quinn::a;\nlet aquinn = 1;").map(|word| (word.name.to_owned(), word.line)).collect();
        assert!(found.contains(&("quinn".to_owned(), 1)));
        assert!(!found.contains(&("quinn".to_owned(), 2)));
    }
}

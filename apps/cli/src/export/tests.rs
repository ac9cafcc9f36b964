use serde_json::json;

use super::*;

const HOSTILE: &str = "<script>alert(1)</script> \"quotes\" 'single' `tick` &amp; </title></div>\u{0}\u{1b}[2J\u{202e}evil ![x](http://e.example/p.png)";

fn page(title: &str) -> Page {
    let said = |text: &str| Shown {
        object: json!({ "event": "message", "sender": HOSTILE, "sent_at": "2026-01-01T00:00:00Z", "kind": "text", "text": text }),
        text: String::new(),
        message: true,
    };
    let told =
        Shown { object: json!({ "event": "title", "title": HOSTILE }), text: HOSTILE.to_owned(), message: false };
    Page {
        stem: plain_name(title),
        title: title.to_owned(),
        object: json!({ "title": title }),
        members: vec![HOSTILE.to_owned()],
        log: vec![said(HOSTILE), told, said("one\n# two\n    three\n> four\n")],
    }
}

fn written(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn nothing_of_a_hostile_text_is_markup_in_html() {
    let contacts = vec![(HOSTILE.to_owned(), AccountId::new([1; 32]), json!({}))];
    let pages = vec![(page(HOSTILE), "conversations/x.html".to_owned())];
    for html in [
        written(|out| html::conversation(out, &page(HOSTILE))),
        written(|out| html::index(out, HOSTILE, &pages, &contacts)),
    ] {
        assert!(!html.contains("<script") && !html.contains("</title></div>"), "{html}");
        assert!(!html.contains('\u{1b}') && !html.contains('\0') && !html.contains('\u{202e}'), "{html}");
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt; &quot;quotes&quot; &#39;single&#39;"), "{html}");
        assert!(html.contains("&amp;amp;"), "what looked escaped is shown as it was");
        assert_eq!(html.matches("<title>").count(), 1);
        // Tags are only those that are written here, and none of them fetches anything.
        let tags: std::collections::BTreeSet<&str> =
            html.split('<').skip(1).filter_map(|rest| rest.split([' ', '>']).next()).collect();
        for tag in tags {
            let known = [
                "!DOCTYPE", "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "div", "span", "ul",
                "li", "a",
            ];
            assert!(known.contains(&tag.trim_start_matches('/')), "{tag}");
        }
        assert!(!html.contains("src=") && !html.contains("href=\"http"), "{html}");
        assert!(html.contains("default-src 'none'"));
    }
}

#[test]
fn nothing_of_a_hostile_text_is_markup_in_markdown() {
    let text = written(|out| markdown::conversation(out, &page(HOSTILE)));
    assert!(!text.contains('\u{1b}'), "{text}");
    // Without what is escaped, nothing is left that means something but what is written here.
    let mut bare = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            bare.push(c);
        } else if chars.next() == Some('\n') {
            bare.push('\n');
        }
    }
    assert!(!bare.contains(['<', '[', '`', '!', '_', '&']), "{bare}");
    for line in text.lines() {
        let ours = line.is_empty() || ["# ", "**", "*", "> ", "\\<script"].iter().any(|begin| line.starts_with(begin));
        assert!(ours, "{line}");
    }
    assert_eq!(text.lines().filter(|line| line.starts_with("# ")).count(), 1, "one heading: {text}");
    assert!(text.contains("> \\# two\\\n"), "{text}");
    assert!(text.contains("> \u{a0}   three\\\n"), "{text}");
}

#[test]
fn json_is_json_whatever_was_said() {
    let page = page(HOSTILE);
    let text = written(|out| json::conversation(out, &page));
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["entries"].as_array().unwrap().len(), 3);
    assert_eq!(value["entries"][0]["text"], HOSTILE);
    let empty = Page { log: Vec::new(), ..page };
    let value: Value = serde_json::from_str(&written(|out| json::conversation(out, &empty))).unwrap();
    assert_eq!(value["entries"], json!([]));
}

#[test]
fn no_title_leads_out_of_the_directory() {
    for (title, name) in [
        ("../../etc/passwd", "etc-passwd"),
        ("a/b\\c:d*e?f\"g<h>i|j", "a-b-c-d-e-f-g-h-i-j"),
        ("..", ""),
        ("\u{0}\u{1b}\u{202e}", ""),
        ("Grüße, Tee & Kuchen!", "gr-e-tee-kuchen"),
        ("CON", "con"),
        ("-", ""),
    ] {
        assert_eq!(plain_name(title), name);
    }
    assert_eq!(plain_name(&"long ".repeat(50)).len(), NAME_CHARS - 1);
}

#[test]
fn a_directory_that_is_not_empty_is_refused_and_hashes_are_those_of_the_files() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a/export");
    let mut directory = Directory::prepare(&path).unwrap();
    directory.file("index.md", |out| write!(out, "tea")).unwrap();
    let content = fs::read(path.join("index.md")).unwrap();
    assert_eq!(directory.files[0]["sha256"], hex::encode(Sha256::digest(&content)));
    assert_eq!(directory.files[0]["bytes"], 3);
    let refused = Directory::prepare(&path).err().unwrap();
    assert_eq!((refused.code, refused.exit), ("not-empty", Exit::Failed));
    assert!(Directory::prepare(&path.join("index.md")).is_err(), "a file is no directory");
}

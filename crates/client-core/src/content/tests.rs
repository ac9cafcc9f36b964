//! The draft's examples, and properties of the codec as a whole.

use proptest::prelude::*;

use super::*;
use crate::vectors;

/// The examples that are contents; `implied-original` is a list of derived values.
const EXAMPLES: [&str; 14] = [
    "attachment",
    "conferencing",
    "delete",
    "edit",
    "expiring",
    "mention",
    "mention-html",
    "multipart-1",
    "multipart-2",
    "multipart-3",
    "original",
    "reaction",
    "reply",
    "unlike",
];

fn example(name: &str) -> Option<Vec<u8>> {
    vectors::read(&format!("mimi-content/{name}.cbor"))
}

fn decoded(name: &str) -> Option<MimiContent> {
    Some(MimiContent::decode(&example(name)?).expect(name))
}

/// The message id that the comment at the head of an example's explanation names.
fn explained_id(name: &str) -> MimiId {
    let text = vectors::read(&format!("mimi-content/{name}.edn")).expect("lies beside the example");
    let text = String::from_utf8(text).expect("UTF-8");
    let (_, rest) = text.split_once("message ID = h'").expect("names an id");
    let (id, _) = rest.split_once('\'').expect("ends");
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).collect();
    MimiId::new(hex::decode(digits).expect("hex").try_into().expect("32 bytes"))
}

#[test]
fn every_example_decodes_and_encodes_to_the_same_bytes() {
    for name in EXAMPLES {
        let Some(bytes) = example(name) else { return };
        let content = MimiContent::decode(&bytes).expect(name);
        assert_eq!(content.encode().expect(name), bytes, "{name}");
    }
}

#[test]
fn every_example_has_the_message_id_that_its_explanation_names() {
    for name in EXAMPLES {
        let Some(bytes) = example(name) else { return };
        let content = MimiContent::decode(&bytes).expect(name);
        let (sender, room) = (content.extensions.sender_uri(), content.extensions.room_uri());
        let found = MimiId::of(sender.expect("sender"), room.expect("room"), &bytes, &content.salt);
        assert_eq!(found, Ok(explained_id(name)), "{name}");
    }
}

#[test]
fn refuses_the_list_of_derived_values_as_a_content() {
    let Some(bytes) = example("implied-original") else { return };
    assert!(MimiContent::decode(&bytes).is_err());
}

#[test]
fn fields_of_the_texts_are_as_explained() {
    let (Some(original), Some(reply)) = (decoded("original"), decoded("reply")) else { return };
    assert_eq!(original.salt.as_bytes()[..], hex::decode("5eed9406c2545547ab6f09f20a18b003").expect("hex"));
    assert_eq!((original.replaces, original.in_reply_to, original.expires), (None, None, None));
    assert_eq!(original.extensions.sender_uri(), Some("mimi://example.com/u/alice-smith"));
    assert_eq!(original.extensions.room_uri(), Some("mimi://example.com/r/engineering_team"));
    assert_eq!(original.body.disposition, Disposition::RENDER);
    let text = "Hi everyone, we just shipped release 2.0. __Good  work__!";
    let expected = Part::single(Disposition::RENDER, "", "text/markdown;variant=GFM-MIMI", text);
    assert_eq!(original.body, expected);
    assert_eq!(original.as_text().as_deref(), Some(text));
    assert_eq!(reply.in_reply_to, Some(explained_id("original")));
    assert_eq!(reply.as_text().as_deref(), Some("Right on! _Congratulations_ 'all!"));
}

#[test]
fn fields_of_edits_deletes_and_reactions_are_as_explained() {
    let (Some(edit), Some(delete)) = (decoded("edit"), decoded("delete")) else { return };
    let (Some(reaction), Some(unlike)) = (decoded("reaction"), decoded("unlike")) else { return };
    assert_eq!(edit.replaces, Some(explained_id("reply")));
    assert_eq!(edit.as_text().as_deref(), Some("Right on! _Congratulations_ y'all!"));
    assert_eq!(delete.replaces, Some(explained_id("reply")));
    assert_eq!(delete.body, Part::null(Disposition::RENDER));
    let heart = Part::single(Disposition::REACTION, "", "text/plain;charset=utf-8", "\u{2764}");
    assert_eq!((reaction.body.clone(), reaction.as_text()), (heart, None));
    assert_eq!(unlike.replaces, Some(explained_id("reaction")));
    assert_eq!(unlike.body, Part::null(Disposition::REACTION));
}

#[test]
fn fields_of_expiries_topics_and_external_parts_are_as_explained() {
    let (Some(expiring), Some(attachment)) = (decoded("expiring"), decoded("attachment")) else { return };
    let Some(conferencing) = decoded("conferencing") else { return };
    assert_eq!(expiring.expires, Some(Expiration::At { seconds: 1_644_390_004 }));
    let expected = ExternalPart {
        content_type: "video/mp4".into(),
        url: "https://example.com/storage/8ksB4bSrrRE.mp4".into(),
        expires: 0,
        size: 708_234_961,
        aead: 1,
        key: hex::decode("21399320958a6f4c745dde670d95e0d8").expect("hex"),
        nonce: hex::decode("c86cf2c33f21527d1dd76f5b").expect("hex"),
        aad: Vec::new(),
        hash_algorithm: 1,
        hash: hex::decode("9ab17a8cf0890baaae7ee016c7312fcc080ba46498389458ee44f0276e783163").expect("hex"),
        description: "2 hours of key signing video".into(),
        filename: "bigfile.mp4".into(),
    };
    let part = Part { disposition: Disposition::ATTACHMENT, language: "en".into(), body: external(expected) };
    assert_eq!(attachment.body, part);
    assert_eq!(conferencing.topic, b"Foo 118");
    let call = ExternalPart {
        url: "https://example.com/join/12345".into(),
        description: "Join the Foo 118 conference".into(),
        ..ExternalPart::default()
    };
    let part = Part { disposition: Disposition::SESSION, language: String::new(), body: external(call) };
    assert_eq!(conferencing.body, part);
}

fn external(part: ExternalPart) -> PartBody {
    PartBody::External(Box::new(part))
}

#[test]
fn fields_of_nested_parts_are_as_explained() {
    let Some(content) = decoded("multipart-3") else { return };
    let html = |language: &str, welcome: &str, alt: &str, index: u8| {
        let text = format!(
            "<html><body><h1>{welcome}!</h1>\n<img src=\"cid:{index}@local.invalid\" alt=\"{alt}\"/>\n</body></html>"
        );
        Part::single(Disposition::RENDER, language, "text/html;charset=utf-8", text)
    };
    let multi = |semantics, parts| Part {
        disposition: Disposition::RENDER,
        language: String::new(),
        body: PartBody::Multi { semantics, parts },
    };
    let version = |index, image: &str, bytes: &str| {
        let english = html("en", "Welcome", "Welcome image", index);
        let french = html("fr", "Bienvenue", "Image bienvenue", index);
        let picture = Part::single(Disposition::INLINE, "", image, hex::decode(bytes).expect("hex"));
        multi(PartSemantics::ProcessAll, vec![multi(PartSemantics::ChooseOne, vec![english, french]), picture])
    };
    let expected = multi(
        PartSemantics::ChooseOne,
        vec![
            version(5, "image/gif", "dc861ebaa718fd7c3ca159f71a2001a7"),
            version(10, "image/png", "fa444237451a05a72bb0f67037cc1669"),
        ],
    );
    assert_eq!(content.body, expected);
    assert_eq!(content.as_text(), None);
}

#[test]
fn text_comes_from_the_first_readable_choice() {
    let Some(content) = decoded("multipart-1") else { return };
    let part = |kind: &str, text: &str| Part::single(Disposition::RENDER, "", kind, text);
    let multi = |semantics, parts| Part {
        disposition: Disposition::RENDER,
        language: String::new(),
        body: PartBody::Multi { semantics, parts },
    };
    assert!(matches!(content.body.body, PartBody::Multi { .. }));
    let (html, plain) = (part("text/html", "<b>a</b>"), part("Text/Plain; charset=UTF-8", "a"));
    let latin = part("text/plain;charset=latin1", "b");
    let both = vec![html.clone(), plain.clone()];
    assert_eq!(multi(PartSemantics::ChooseOne, both.clone()).as_text().as_deref(), Some("a"));
    assert_eq!(multi(PartSemantics::SingleUnit, both.clone()).as_text(), None);
    assert_eq!(multi(PartSemantics::ProcessAll, vec![plain.clone(), html, plain]).as_text().as_deref(), Some("a\na"));
    assert_eq!(multi(PartSemantics::ProcessAll, vec![latin.clone(), latin]).as_text(), None);
}

#[test]
fn a_leave_round_trips_and_is_not_shown() {
    let content = MimiContent::control(&Control::Leave, Salt::new([1; 16]));
    let read = MimiContent::decode(&content.encode().expect("encodes")).expect("decodes");
    assert_eq!(read.as_control(), Ok(Some(Control::Leave)));
    assert_eq!(read.as_text(), None);
    assert_eq!(MimiContent::text("hi", "en", Salt::new([1; 16])).as_control(), Ok(None));
    for body in [&[1, 2][..], &[2, 1], &[1], &[1, 1, 0], &[]] {
        let body = Part::single(Disposition::UNSPECIFIED, "", "application/vnd.quicprochat.control", body);
        let content = MimiContent::new(Salt::new([1; 16]), body);
        assert_eq!(content.as_control(), Err(ContentError::UnknownControl));
    }
}

#[test]
fn nesting_parts_and_sizes_are_bounded_both_ways() {
    let leaf = Part::null(Disposition::RENDER);
    let nest = |parts: Vec<Part>| Part {
        disposition: Disposition::RENDER,
        language: String::new(),
        body: PartBody::Multi { semantics: PartSemantics::ProcessAll, parts },
    };
    let content = |body| MimiContent::new(Salt::new([0; 16]), body);
    let mut body = leaf.clone();
    for _ in 1..MAX_PART_DEPTH {
        body = nest(vec![body, leaf.clone()]);
    }
    let encoded = content(body.clone()).encode().expect("deep enough");
    assert_eq!(MimiContent::decode(&encoded), Ok(content(body.clone())));
    let deeper = nest(vec![body.clone(), leaf.clone()]);
    assert_eq!(content(deeper).encode(), Err(ContentError::TooDeep { limit: 4 }));
    // The same a level deeper as bytes: the body is the last field, wrapped by hand.
    let body_bytes = encoded.len() - content(leaf.clone()).encode().expect("fits").len() + 4;
    let (head, tail) = encoded.split_at(encoded.len() - body_bytes);
    let wrapped = [head, &[0x85, 1, 0x60, 3, 2, 0x82], tail, &[0x83, 1, 0x60, 0]].concat();
    assert_eq!(MimiContent::decode(&wrapped), Err(ContentError::TooDeep { limit: 4 }));

    assert_eq!(
        content(nest(vec![leaf.clone()])).encode(),
        Err(ContentError::BadValue { field: "count of parts", found: 1 })
    );
    assert!(content(nest(vec![leaf.clone(); MAX_PARTS - 1])).encode().is_ok());
    assert!(content(nest(vec![leaf.clone(); MAX_PARTS])).encode().is_err());
    let mut long_topic = content(leaf);
    long_topic.topic = vec![0; MAX_TOPIC_BYTES + 1];
    assert!(matches!(long_topic.encode(), Err(ContentError::TooLong { field: "topic", .. })));
    let text = MimiContent::text(&"x".repeat(MAX_CONTENT_BYTES), "", Salt::new([0; 16]));
    assert!(matches!(text.encode(), Err(ContentError::TooLong { field: "content", .. })));
}

#[test]
fn extensions_sort_as_their_encodings_and_refuse_odd_values() {
    let number = |value| ExtensionKey::Number(value);
    let text = |value: &str| ExtensionKey::Text(value.to_owned());
    let any = ExtensionValue::from_cbor(&[0x82, 0x01, 0x20]).expect("an array");
    let mut content = MimiContent::text("hi", "", Salt::new([2; 16]));
    for key in [text("b"), text("aa"), number(-1), number(-300), number(7), number(300), text("a")] {
        content.extensions = content.extensions.with(key, any.clone());
    }
    let encoded = content.encode().expect("encodes");
    assert_eq!(MimiContent::decode(&encoded), Ok(content));
    assert_eq!(ExtensionValue::from_cbor(&[0x01, 0x01]), Err(ContentError::Trailing { extra: 1 }));
    assert_eq!(ExtensionValue::from_cbor(&[0x18, 0x01]), Err(ContentError::NotDeterministic));
    assert!(ExtensionValue::from_cbor(&[0x81, 0x81, 0x81, 0x00]).is_ok());
    assert!(ExtensionValue::from_cbor(&[0x81, 0x81, 0x81, 0x80]).is_err());
    for (key, value) in [(number(1), any.clone()), (number(1 << 53), any.clone()), (text(""), any.clone())] {
        let mut content = MimiContent::text("hi", "", Salt::new([2; 16]));
        content.extensions = Extensions::default().with(key, value);
        assert!(content.encode().is_err());
    }
}

#[test]
fn an_expiry_is_a_moment() {
    use quicprochat_wire::Timestamp;
    assert_eq!(Expiration::At { seconds: 5 }.moment(Timestamp(1)), Timestamp(5000));
    assert_eq!(Expiration::AfterReading { seconds: 5 }.moment(Timestamp(1)), Timestamp(5001));
}

#[test]
fn another_salt_or_sender_gives_another_id() {
    let content = MimiContent::text("hi", "", Salt::new([2; 16]));
    let bytes = content.encode().expect("encodes");
    let of = |sender, room| MimiId::of(sender, room, &bytes, &content.salt).expect("short");
    assert_ne!(of("ab", "c"), of("a", "bc"));
    assert_ne!(of("a", "b"), of("b", "a"));
    assert!(MimiId::of(&"a".repeat(65_536), "b", &bytes, &content.salt).is_err());
}

fn any_part() -> impl Strategy<Value = Part> {
    let external = (any::<u32>(), any::<u64>(), any::<u16>(), any::<u8>(), ".{0,30}").prop_map(
        |(expires, size, aead, hash_algorithm, text)| {
            external(ExternalPart {
                content_type: text.clone(),
                url: text.clone(),
                expires,
                size,
                aead,
                hash_algorithm,
                key: text.clone().into_bytes(),
                description: text,
                ..ExternalPart::default()
            })
        },
    );
    let single = (".{0,20}", proptest::collection::vec(any::<u8>(), 0..300))
        .prop_map(|(content_type, content)| PartBody::Single { content_type, content });
    let body = prop_oneof![Just(PartBody::Null), single, external];
    let leaf = (any::<u8>(), "[a-z,]{0,10}", body).prop_map(|(disposition, language, body)| Part {
        disposition: Disposition(disposition),
        language,
        body,
    });
    leaf.prop_recursive(3, 24, 4, |inner| {
        let semantics = prop_oneof![
            Just(PartSemantics::ChooseOne),
            Just(PartSemantics::SingleUnit),
            Just(PartSemantics::ProcessAll)
        ];
        (any::<u8>(), semantics, proptest::collection::vec(inner, 2..4)).prop_map(|(disposition, semantics, parts)| {
            Part {
                disposition: Disposition(disposition),
                language: String::new(),
                body: PartBody::Multi { semantics, parts },
            }
        })
    })
}

fn any_content() -> impl Strategy<Value = MimiContent> {
    let id = || proptest::option::of(any::<[u8; 32]>().prop_map(MimiId::new));
    let expires = proptest::option::of((any::<bool>(), any::<u32>()).prop_map(|(relative, seconds)| {
        if relative { Expiration::AfterReading { seconds } } else { Expiration::At { seconds } }
    }));
    let number = (-(1i64 << 53) + 1..1i64 << 53).prop_map(ExtensionKey::Number);
    let key = prop_oneof![number, (-300i64..-2).prop_map(ExtensionKey::Number), ".{1,9}".prop_map(ExtensionKey::Text)];
    let extensions = proptest::collection::vec((key, ".{0,40}"), 0..5).prop_map(|pairs| {
        pairs.into_iter().fold(Extensions::default(), |all, (key, text)| all.with(key, ExtensionValue::text(&text)))
    });
    let topic = proptest::collection::vec(any::<u8>(), 0..40);
    (any::<[u8; 16]>(), id(), topic, expires, id(), extensions, any_part()).prop_map(
        |(salt, replaces, topic, expires, in_reply_to, extensions, body)| MimiContent {
            salt: Salt::new(salt),
            replaces,
            topic,
            expires,
            in_reply_to,
            extensions,
            body,
        },
    )
}

/// Decodes without panicking; whatever is taken has this one encoding.
fn check_any_bytes(bytes: &[u8]) {
    if let Ok(content) = MimiContent::decode(bytes) {
        assert_eq!(content.encode().as_deref(), Ok(bytes));
        let _shown = (content.as_text(), content.as_control().is_ok());
    }
}

proptest! {
    #[test]
    fn contents_round_trip(content in any_content()) {
        let encoded = content.encode().expect("within the limits");
        prop_assert_eq!(MimiContent::decode(&encoded), Ok(content));
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        check_any_bytes(&bytes);
        check_any_bytes(&[&[0x87][..], &bytes].concat());
    }

    #[test]
    fn changed_contents_never_panic(
        content in any_content(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = content.encode().expect("within the limits");
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        check_any_bytes(&bytes);
        check_any_bytes(&bytes[..cut.index(bytes.len())]);
    }
}

fn relay_of(positions: &[u64]) -> Relay {
    let entry = |position: &u64| RelayedEntry {
        position: *position,
        id: quicprochat_wire::MessageId::new([1; 16]),
        sender: quicprochat_wire::AccountId::new([2; 32]),
        device: quicprochat_wire::DeviceId::new([3; 16]),
        time: quicprochat_wire::Timestamp(4),
        content: vec![5; 6],
    };
    Relay { spans: vec![Span { from: 2, to: 9 }], entries: positions.iter().map(entry).collect() }
}

#[test]
fn requests_and_relays_round_trip_and_have_one_form() {
    let span = |from, to| Span { from, to };
    let good = [
        Control::GapRequest(vec![span(1, 1), span(3, 9), span(11, u64::MAX)]),
        Control::GapRequest(Vec::new()),
        Control::Relayed(Relay::default()),
        Control::Relayed(relay_of(&[2, 5, 9])),
    ];
    for control in good {
        let content = MimiContent::control(&control, Salt::new([1; 16]));
        let read = MimiContent::decode(&content.encode().expect("encodes")).expect("decodes");
        assert_eq!(read.as_control(), Ok(Some(control)));
    }
    let many: Vec<Span> = (0..=MAX_SPANS as u64).map(|n| span(n * 3 + 1, n * 3 + 1)).collect();
    let bad = [
        Control::GapRequest(vec![span(0, 4)]),
        Control::GapRequest(vec![span(5, 4)]),
        Control::GapRequest(vec![span(5, 7), span(7, 9)]),
        Control::GapRequest(vec![span(5, 7), span(1, 2)]),
        Control::GapRequest(many),
        Control::Relayed(relay_of(&[1])),
        Control::Relayed(relay_of(&[10])),
        Control::Relayed(relay_of(&[3, 3])),
        Control::Relayed(relay_of(&[4, 3])),
    ];
    for control in bad {
        let content = MimiContent::control(&control, Salt::new([1; 16]));
        assert_eq!(content.as_control(), Err(ContentError::UnknownControl), "{control:?}");
    }
}

#[test]
fn a_batch_of_the_largest_size_fits_into_a_message() {
    let content = vec![7; MAX_RELAYED_BYTES - RelayedEntry::overhead()];
    let mut relay = relay_of(&[5]);
    relay.entries[0].content = content;
    assert_eq!(relay.entries[0].size(), MAX_RELAYED_BYTES);
    relay.spans = (0..MAX_SPANS as u64).map(|n| Span { from: n * 3 + 2, to: n * 3 + 3 }).collect();
    let content = MimiContent::control(&Control::Relayed(relay), Salt::new([1; 16]));
    assert!(content.encode().expect("fits").len() <= MAX_CONTENT_BYTES);
}

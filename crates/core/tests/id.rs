//! What an id may look like, and that nothing else becomes one.

use http::Request;
use macadam_core::{
    RequestContext, Wire,
    context::{Id, InvalidRequestId},
};
use macadam_test::allocations;
use proptest::prelude::*;
use tokio::time::Instant;

fn context() -> RequestContext {
    RequestContext::new(Instant::now(), None, Wire::of(&Request::new(())))
}

/// What a context makes of it, and that it is what the type does.
fn set(id: &[u8]) -> Result<Option<Id>, InvalidRequestId> {
    let context = context();
    let set = context.set_request_id(id).map(|()| context.request_id());
    assert_eq!(set, Id::try_from(id).map(Some));
    assert_eq!(context.request_id().is_some(), set.is_ok());
    set
}

#[test]
fn an_id_of_every_length_from_1_to_128_bytes_comes_out_as_it_went_in() {
    let text: String = ('a'..='z').cycle().take(129).collect();
    for length in 1..=128 {
        let id = set(&text.as_bytes()[..length]).unwrap().unwrap();
        assert_eq!(id.as_str(), &text[..length]);
        assert_eq!(id, context_after(id).request_id().unwrap(), "also out of another context");
    }
    assert_eq!(set(b""), Err(InvalidRequestId::Empty));
    assert_eq!(set(text.as_bytes()), Err(InvalidRequestId::TooLong));
    // A length that is a valid one in eight bits.
    assert_eq!(set(&[b'a'; 257]), Err(InvalidRequestId::TooLong));
}

fn context_after(id: Id) -> RequestContext {
    let context = context();
    context.set_request_id(id).expect("it is one");
    context.fork()
}

#[test]
fn an_id_has_letters_digits_and_harmless_punctuation_in_every_place() {
    for byte in 0..=u8::MAX {
        let allowed = byte.is_ascii_alphanumeric() || b"._:@/+=-".contains(&byte);
        for place in 0..40 {
            let mut id = [b'a'; 40];
            id[place] = byte;
            let expected = if allowed { Ok(()) } else { Err(InvalidRequestId::Charset) };
            assert_eq!(set(&id).map(drop), expected, "{byte:#x} in {place}");
        }
    }
}

#[test]
fn what_is_no_id_leaves_the_request_without_one_or_with_the_first() {
    let context = context();
    assert!(context.set_request_id("a b").is_err());
    assert_eq!(context.request_id(), None);
    context.set_request_id("first").unwrap();
    assert!(context.set_request_id("a b").is_err());
    assert_eq!(context.request_id().unwrap().as_str(), "first");
}

#[test]
fn an_id_costs_no_allocation() {
    let context = context();
    let count = allocations(|| {
        context.set_request_id([b'x'; 128]).unwrap();
        context.request_id()
    });
    assert_eq!(count, 0);
}

#[test]
fn an_id_is_printed_as_text_and_an_error_does_not_quote_what_it_refuses() {
    let id: Id = "abc".parse().unwrap();
    assert_eq!(format!("{id} {id:?} {id:>5}"), r#"abc "abc"   abc"#);
    let error = Id::try_from("hostile hostile").unwrap_err();
    assert!(!format!("{error}{error:?}").contains("hostile"));
}

#[test]
fn ids_are_in_the_order_of_their_texts() {
    let texts = ["a", "a-", "aa", "ab", "b"];
    assert!(texts.is_sorted());
    assert!(texts.map(|text| text.parse::<Id>().unwrap()).is_sorted());
}

proptest! {
    #[test]
    fn only_ids_become_ids(bytes in proptest::collection::vec(any::<u8>(), 0..140)) {
        let valid = (1..=128).contains(&bytes.len())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._:@/+=-".contains(byte));
        prop_assert_eq!(set(&bytes).is_ok(), valid);
    }
}

use macadam_health::checks::{self, Free};

use crate::{PASSED, failed, found};

const HERE: &str = env!("CARGO_TARGET_TMPDIR");

#[tokio::test]
async fn room_that_is_there_passes_and_room_that_is_not_fails() {
    assert_eq!(found(checks::disk("it", HERE, Free::Bytes(1))).await, PASSED);
    let says = found(checks::disk("it", HERE, Free::Bytes(u64::MAX))).await;
    assert!(says.contains("MiB free of 17592186044415 asked for"), "{says}");
    let says = found(checks::disk("it", HERE, Free::Percent(101))).await;
    assert!(says.contains("% free of 101 asked for"), "{says}");
}

#[tokio::test]
async fn a_path_that_is_not_there_fails() {
    let check = checks::disk("it", format!("{HERE}/missing"), Free::Bytes(1));
    assert_eq!(found(check).await, failed("No such file or directory (os error 2)"));
}

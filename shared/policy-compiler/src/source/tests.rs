use super::*;

/// The source is read by the compiler on one side, and as text on the other.
#[test]
fn the_source_of_what_a_source_says_is_that_source() {
    let routes: Vec<Route> = include!("routes.rs");
    assert_eq!(source(&routes), include_str!("routes.rs").trim_end());
}

//! What is compiled in is what is written in `policy/*.yaml`.

use std::path::Path;

use mend_core::policy::Policy;

#[test]
fn the_compiled_policy_is_the_written_one() {
    let policy = Path::new(env!("CARGO_MANIFEST_DIR"));
    let routes = mend_policy_compiler::read(policy, &policy.join("../runbooks")).unwrap();
    assert_eq!(*mend_policy::policy(), Policy::new(routes));
}

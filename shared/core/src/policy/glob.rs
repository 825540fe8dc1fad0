//! Globs over names: `*` stands for any text, everything else for itself.

use crate::text::{consists_of, text_type};

text_type! {
    /// A pattern for names: `*restricted-ssh*`.
    Glob, "a glob", "1 to 128 letters, digits, * and . _ : / @ + = , - # ( ) and spaces", is_glob
}

const fn is_glob(text: &[u8]) -> bool {
    consists_of(text, b"*._:/@+=,-#() ", 1, 128)
}

impl Glob {
    /// Whether the whole name fits.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        // A name holds no `*` that stands for more than itself, so it meets the glob exactly when it fits.
        meet(self.as_str().as_bytes(), name.as_bytes(), false)
    }

    /// Whether some name fits both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        meet(self.as_str().as_bytes(), other.as_str().as_bytes(), true)
    }
}

/// Whether a text exists that both match; `*` in `right` stands for any text only if `both` are globs.
fn meet(left: &[u8], right: &[u8], both: bool) -> bool {
    // `reached[j]`: the part of `left` read so far and the first j bytes of `right` can match the same text.
    let star = |byte: u8| both && byte == b'*';
    let mut reached = Vec::with_capacity(right.len() + 1);
    let mut so_far = true;
    reached.push(true);
    for &byte in right {
        so_far = so_far && star(byte);
        reached.push(so_far);
    }
    for &a in left {
        let mut next = Vec::with_capacity(reached.len());
        let mut previous = reached.first().copied().unwrap_or(false) && a == b'*';
        next.push(previous);
        for (pair, &b) in reached.windows(2).zip(right) {
            let &[diagonal, above] = pair else { break };
            let here = if a == b'*' || star(b) { previous || above } else { diagonal && a == b };
            next.push(here);
            previous = here;
        }
        reached = next;
    }
    reached.last().copied().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &'static str) -> Glob {
        Glob::from_static(text)
    }

    #[test]
    fn matches_whole_names() {
        for (pattern, name, fits) in [
            ("restricted-ssh", "restricted-ssh", true),
            ("restricted-ssh", "restricted-ssh-2", false),
            ("restricted-ssh*", "restricted-ssh-conformance-pack-k3x9qa7zt", true),
            ("*restricted-ssh*", "securityhub-restricted-ssh-1a2b3c4d", true),
            ("*restricted-ssh*", "restricted-ssh", true),
            ("*", "", true),
            ("*", "anything at all", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("a*a", "a", false),
            ("restricted-ssh", "Restricted-ssh", false),
            ("ssh", "*", false),
        ] {
            assert_eq!(glob(pattern).matches(name), fits, "{pattern} against {name}");
        }
    }

    #[test]
    fn finds_names_that_fit_two_globs() {
        for (left, right, overlap) in [
            ("*ssh*", "restricted-*", true),
            ("restricted-*", "incoming-*", false),
            ("a*", "*a", true),
            ("a*b", "a*c", false),
            ("abc", "abc", true),
            ("abc", "abd", false),
            ("*", "*", true),
            ("a*c", "ab*", true),
        ] {
            assert_eq!(glob(left).overlaps(&glob(right)), overlap, "{left} and {right}");
            assert_eq!(glob(right).overlaps(&glob(left)), overlap, "{right} and {left}");
        }
    }
}

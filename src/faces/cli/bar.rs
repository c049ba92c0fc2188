//! Bars of characters: as wide as there is room, without colour as good as with it, and in plain ASCII where that is all there is.

use crate::services::variable;

/// Which characters a terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signs {
    /// Blocks.
    Blocks,
    /// `#`, `-` and `.`.
    Ascii,
}

impl Signs {
    /// As the environment says: the locale's letters, and whether the terminal is a dumb one.
    pub(crate) fn of_environment() -> Self {
        Self::by(&variable)
    }

    fn by(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let is_dumb = variable("TERM").is_some_and(|term| term == "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
        // Where nothing is said, everything that shows text today shows this.
        let is_utf8 = locale.is_none_or(|locale| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        });
        if is_dumb || !is_utf8 { Self::Ascii } else { Self::Blocks }
    }

    const fn chars(self) -> [char; 3] {
        match self {
            Self::Blocks => ['█', '▒', '·'],
            Self::Ascii => ['#', '-', '.'],
        }
    }
}

/// Columns of a bar on a terminal this wide.
pub(crate) fn columns(width: Option<usize>) -> usize {
    width.map_or(10, |width| (width / 8).clamp(4, 20))
}

/// A bar of this many columns for `first` and `second` of `most`: full, light, empty. What is not nothing shows.
pub(crate) fn bar(signs: Signs, columns: usize, first: usize, second: usize, most: usize) -> String {
    let most = most.max(1);
    let share = |part: usize| part.saturating_mul(columns).div_ceil(most).min(columns);
    let full = share(first);
    let light = share(first.saturating_add(second)).max(full + usize::from(second > 0)).min(columns) - full;
    let [one, two, none] = signs.chars();
    let run = |sign: char, count: usize| std::iter::repeat_n(sign, count);
    run(one, full).chain(run(two, light)).chain(run(none, columns - full - light)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_its_width_whatever_the_numbers() {
        for (first, second, most, text) in [
            (0, 0, 0, "········"),
            (0, 0, 4, "········"),
            (2, 2, 4, "████▒▒▒▒"),
            (1, 1, 100, "█▒······"),
            (4, 0, 4, "████████"),
            (0, 1, 4, "▒▒······"),
            (7, 1, 8, "███████▒"),
            (9, 9, 4, "████████"),
            (usize::MAX, usize::MAX, 3, "████████"),
        ] {
            assert_eq!(bar(Signs::Blocks, 8, first, second, most), text, "{first} {second} {most}");
        }
        assert_eq!(bar(Signs::Ascii, 6, 1, 1, 3), "##--..");
        assert_eq!((columns(None), columns(Some(40)), columns(Some(80)), columns(Some(500))), (10, 5, 10, 20));
    }

    #[test]
    fn the_environment_says_which_signs() {
        for (variables, signs) in [
            (&[][..], Signs::Blocks),
            (&[("LANG", "C")], Signs::Ascii),
            (&[("LANG", "en_US.UTF-8")], Signs::Blocks),
            (&[("LANG", "en_US.UTF-8"), ("LC_ALL", "POSIX")], Signs::Ascii),
            (&[("LANG", "C"), ("LC_CTYPE", "C.utf8")], Signs::Blocks),
            (&[("TERM", "dumb")], Signs::Ascii),
        ] {
            let variable = |name: &str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            assert_eq!(Signs::by(&variable), signs, "{variables:?}");
        }
    }
}

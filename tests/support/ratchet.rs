//! `tests/ratchet.txt`: numbers that may only fall, one a line below the title of their section.

use std::collections::BTreeMap;

/// Where the numbers are, from the root of the project.
pub(crate) const FILE: &str = "tests/ratchet.txt";

/// Numbers by their names.
pub(crate) type Figures = BTreeMap<String, u64>;

/// The numbers of one section.
pub(crate) fn bounds(text: &str, section: &str) -> Figures {
    let title = format!("[{section}]");
    let lines = text.lines().skip_while(|line| *line != title).skip(1).take_while(|line| !line.starts_with('['));
    let figure = |line: &str| {
        let (name, number) = line.rsplit_once(' ')?;
        Some((name.to_owned(), number.parse().ok()?))
    };
    lines
        .filter(|line| !line.is_empty())
        .map(|line| figure(line).unwrap_or_else(|| panic!("{FILE}: `{line}`")))
        .collect()
}

/// What is above its line, and what is so far below it that the line is to be lowered. What has no line may not be there.
pub(crate) fn faults(text: &str, section: &str, now: &Figures, slack: impl Fn(u64) -> u64) -> Vec<String> {
    let bounds = bounds(text, section);
    let mut faults = Vec::new();
    for (name, number) in now {
        match bounds.get(name) {
            None => faults.push(format!("[{section}] {name}: {number}, and no line of {FILE} allows it")),
            Some(bound) if number > bound => {
                faults.push(format!("[{section}] {name}: {number}; at most {bound} ({FILE}); it may only fall"));
            }
            Some(_) => {}
        }
    }
    for (name, bound) in &bounds {
        match now.get(name) {
            None => faults.push(format!("[{section}] {name}: none is left; remove its line from {FILE}")),
            Some(number) if number + slack(*bound) < *bound => {
                faults.push(format!("[{section}] {name}: lower the line to {number} ({FILE} says {bound})"));
            }
            Some(_) => {}
        }
    }
    faults
}

#[test]
fn what_rises_and_what_has_fallen_is_reported() {
    let text = "words\n\n[a]\nx y 3\nz 2\ngone 1\n\n[b]\nx y 9\n";
    let now = |pairs: &[(&str, u64)]| pairs.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect();
    let exact = |pairs: &[(&str, u64)]| faults(text, "a", &now(pairs), |_| 0);
    assert!(exact(&[("x y", 3), ("z", 2), ("gone", 1)]).is_empty());
    assert_eq!(
        exact(&[("new", 1), ("x y", 4), ("z", 1)]),
        [
            "[a] new: 1, and no line of tests/ratchet.txt allows it",
            "[a] x y: 4; at most 3 (tests/ratchet.txt); it may only fall",
            "[a] gone: none is left; remove its line from tests/ratchet.txt",
            "[a] z: lower the line to 1 (tests/ratchet.txt says 2)",
        ]
    );
    assert!(faults(text, "b", &now(&[("x y", 5)]), |_| 4).is_empty());
    assert_eq!(faults(text, "b", &now(&[("x y", 4)]), |_| 4).len(), 1);
}

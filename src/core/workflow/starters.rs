//! Definitions to begin with: one for each pattern of the reference document, and one for a review before a merge.

/// The names of the starters, with what each shows.
pub const STARTERS: [(&str, &str); 4] = [
    ("sequential", "one step after the other"),
    ("parallel", "steps side by side, and one that joins them"),
    ("conditional", "a step for success, another for failure, and one that joins the two"),
    ("review-then-merge", "work that another agent approves before it is merged"),
];

/// Returns the text of a starter.
#[must_use]
pub fn starter(name: &str) -> Option<&'static str> {
    Some(match name {
        "sequential" => include_str!("../../../templates/workflows/sequential.yaml"),
        "parallel" => include_str!("../../../templates/workflows/parallel.yaml"),
        "conditional" => include_str!("../../../templates/workflows/conditional.yaml"),
        "review-then-merge" => include_str!("../../../templates/workflows/review-then-merge.yaml"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::workflow::read_definition;

    #[test]
    fn every_starter_is_sound() {
        for (name, _) in STARTERS {
            let reading = read_definition("mine", starter(name).expect("there"));
            assert_eq!(reading.findings, [], "{name}");
        }
    }
}

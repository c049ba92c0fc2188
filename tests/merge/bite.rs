//! The laws fail where a merge is broken on purpose.

use std::panic::catch_unwind;

use mycelium::sabotage::{Sabotage, plant};

use crate::laws;

#[test]
fn what_is_broken_in_a_merge_is_noticed() {
    let laws: [(&str, fn()); 3] = [
        ("ours-first", laws::it_does_not_matter_who_merges_whom),
        ("hide-losses", laws::nothing_vanishes),
        ("pick-a-value", laws::what_a_person_must_choose_is_not_chosen),
    ];
    for (name, law) in laws {
        let planted = plant(Sabotage::named(name).unwrap());
        let held = catch_unwind(law).is_ok();
        drop(planted);
        assert!(!held, "`{name}` is not noticed");
    }
}

//! What a bridge remembers: written over in place, and never read by halves.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use mycelium::store::Durability;

use crate::rig::Rig;
use crate::support::stop::StopOnDrop;

const SERVER: &str = "0123456789abcdef";

#[test]
fn what_is_remembered_is_recalled_and_forgotten() {
    let rig = Rig::new();
    let store = rig.store(Durability::Off);
    assert_eq!(store.local.memory(SERVER, "task:a"), None);
    for text in [&b"one"[..], b"", b"a longer one", b"short", &[0, 255, 10]] {
        store.local.overwrite_memory(SERVER, "task:a", text).expect("run state");
        assert_eq!(store.local.memory(SERVER, "task:a").as_deref(), Some(text));
    }
    store.local.write_memory(SERVER, "task:b", b"x").expect("run state");
    let mut names = store.local.memories(SERVER).expect("run state");
    names.sort();
    assert_eq!(names, ["task:a", "task:b"]);
    store.local.remove_memory(SERVER, "task:a").expect("run state");
    assert_eq!(store.local.memory(SERVER, "task:a"), None);
    assert_eq!(store.local.memories(SERVER).expect("run state"), ["task:b"]);
}

#[test]
fn who_reads_while_others_write_reads_all_of_one_version() {
    let rig = Rig::new();
    let version = |number: usize| vec![b'a' + u8::try_from(number % 20).expect("small"); 1 + number * 977 % 20_000];
    rig.store(Durability::Off).local.write_memory(SERVER, "task:a", &version(0)).expect("run state");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let end = StopOnDrop(&is_over);
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                let store = rig.store(Durability::Off);
                scope.spawn(move || {
                    (0..1_500).for_each(|number| {
                        store
                            .local
                            .overwrite_memory(SERVER, "task:a", &version(2 * number + writer))
                            .expect("run state");
                    });
                })
            })
            .collect();
        let (store, is_over) = (rig.store(Durability::Off), &is_over);
        let reader = scope.spawn(move || {
            let mut seen = std::collections::BTreeSet::new();
            while !is_over.load(Ordering::Relaxed) {
                // Nothing, if whoever writes is kept from it for long: then more is compared.
                let Some(bytes) = store.local.memory(SERVER, "task:a") else { continue };
                assert!(bytes.iter().all(|byte| *byte == bytes[0]), "half of one and half of another");
                seen.insert(bytes.len());
            }
            seen.len()
        });
        for writer in writers {
            writer.join().expect("it ends well");
        }
        drop(end);
        assert!(reader.join().expect("it ends well") > 1, "it read while they wrote");
    });
}

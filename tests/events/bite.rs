//! The tests of this folder fail when a part of the feed is broken on purpose.

use crate::crowd::crowd;
use crate::listener::Listener;
use crate::support::{FOLDER, Sandbox};

#[test]
fn without_its_parts_the_feed_fails() {
    for sabotage in ["tell-nothing", "tell-unlocked"] {
        // The second depends on who comes first.
        let found = (0..5).find_map(|_| crowd(2, 9, Some(sabotage)).err());
        assert!(found.is_some(), "{sabotage} is not noticed");
    }
    let sandbox = Sandbox::new();
    sandbox.mycelium(&["task", "create", "--id", "task-1", "--type", "t"]).ok();
    let listener = Listener::start(&sandbox, &[], Some("add-nothing"));
    let path = format!("{FOLDER}/task-1.md");
    sandbox.write(&path, &sandbox.read(&path).replace("status: pending", "status: running"));
    sandbox.mycelium(&["event", "publish", "a:b", "{\"event\": \"the-end\"}"]).ok();
    assert_eq!(listener.until("the-end").len(), 1, "an edit by hand is told by nobody");
}

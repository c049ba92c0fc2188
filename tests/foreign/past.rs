//! Documents that were removed or archived, and records that are not what they should be.

use crate::scene::{Scene, task};

const OLD: &str = "archive/2025-10/task-t1";

#[test]
fn what_is_removed_does_not_come_back_as_an_earlier_one_of_its_name() {
    let test = "what_is_removed_does_not_come_back_as_an_earlier_one_of_its_name";
    let Some(scene) = Scene::quiet(test, 1, &[]) else { return };
    scene.save(0, OLD, &task("t1", "completed", "step: old\n"));
    scene.save(0, "task-t1", &task("t1", "pending", ""));
    scene.save(0, "task-t2", &task("t2", "pending", ""));
    scene.run(0, &["bridge", "push"]).ok();
    assert_eq!(scene.field("tasks:t1", "status"), "pending");
    scene.save(0, "task-t1", &task("t1", "pending", "step: new\n"));
    scene.run(0, &["bridge", "push"]).ok();
    assert_eq!(scene.field("tasks:t1", "step"), "new");
    scene.remove(0, "task-t1");
    scene.run(0, &["bridge", "push"]).ok();
    assert_eq!(scene.redis(&["EXISTS", "tasks:t1"]), "0");
    assert_eq!(scene.field("mycelium:doc:{tasks:t1}", "gone"), "removed");
    assert!(scene.file(0, OLD).contains("step: old"));
}

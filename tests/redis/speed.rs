//! How long writes take beside the plainest form; only shown.

use std::time::Instant;

use mycelium::mirror::Remote;

use crate::documents::{hash, version};
use crate::server::Server;

#[test]
fn a_batch_is_not_much_slower_than_plain_writes() {
    let Some(server) = Server::start("a_batch_is_not_much_slower_than_plain_writes") else { return };
    let link = server.link();
    let shown =
        [("id", "x"), ("status", "pending"), ("priority", "high"), ("title", "A task"), ("created", "2025-10-17")];
    let text = "---\nid: x\nstatus: pending\n---\n# A task\n\n".to_owned() + &"Something to do.\n".repeat(60);
    let writes = |round: usize| -> Vec<_> {
        let of = |at: usize| {
            let id = format!("t{at}");
            let mut out = version(&id, &Remote::default(), &format!("{text}{round}\n"), &shown);
            (out.expected, out.revision, out.record.revision) = (round as u64, round as u64 + 1, round as u64 + 1);
            (hash(&id), out)
        };
        (0..100).map(of).collect()
    };
    let client = redis::Client::open(server.url()).expect("an address");
    let mut wire = client.get_connection().expect("a connection");
    let (mut batches, mut plain, mut looks) = (Vec::new(), Vec::new(), Vec::new());
    let keys: Vec<String> = (0..100).map(|at| hash(&format!("t{at}"))).collect();
    for round in 0..20 {
        let writes = writes(round);
        let start = Instant::now();
        link.apply(&writes).expect("done");
        batches.push(start.elapsed());
        let start = Instant::now();
        link.look(&keys).expect("done");
        looks.push(start.elapsed());
        let mut pipe = redis::pipe();
        for at in 0..100 {
            pipe.cmd("HSET").arg(format!("plain:{at}")).arg(&shown[..]).arg("text").arg(&text).ignore();
        }
        let start = Instant::now();
        pipe.query::<()>(&mut wire).expect("done");
        plain.push(start.elapsed());
    }
    for (what, mut times) in [("apply", batches), ("look", looks), ("plain HSET", plain)] {
        times.sort();
        println!("{what}: {:?} a document, in a batch of 100", times[10] / 100);
    }
}

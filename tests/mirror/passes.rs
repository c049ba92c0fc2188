//! Mirrors at work: they look, decide and carry out, and may be interrupted anywhere.

use mycelium::name::{DocId, Kind};
use mycelium::reconcile::{DerivedValues, FileAction, HeadMotion, ReconcileContext, reconcile};
use mycelium::redis::codec::{DocumentCodec, RedisWrite};

use crate::server::Answer;
use crate::world::{UnderWay, World, tokens};

impl World {
    /// Some mirror does the next thing about some document.
    pub(crate) fn some_mirror(&mut self) -> Result<(), String> {
        let clone = self.one_of(self.clones.len());
        let mirror = self.one_of(self.clones[clone].mirrors.len());
        let (kind, id) = self.some_id();
        if self.clones[clone].is_apart {
            return Ok(());
        }
        if !self.clones[clone].mirrors[mirror].under_way.contains_key(&id) {
            self.decide(clone, mirror, kind, &id);
        }
        // Usually all at once; now and then others come between.
        while self.clones[clone].mirrors[mirror].under_way.contains_key(&id) {
            if !self.is_healing && self.below(4) == 0 {
                return Ok(());
            }
            self.go_on(clone, mirror, &id)?;
        }
        Ok(())
    }

    /// Tells whether there was nothing to do.
    pub(crate) fn decide(&mut self, clone: usize, mirror: usize, kind: Kind, id: &DocId) -> bool {
        let there = self.server.look(id);
        let now = self.at();
        let node = format!("node-{clone}");
        let this = &self.clones[clone];
        let here = this.files.get(id).cloned();
        let base = this.mirrors[mirror].bases.get(id).cloned();
        let context = ReconcileContext {
            kind,
            id,
            node: &node,
            now,
            seen: None,
            derived: DerivedValues::default(),
            by: None,
            operation: None,
            head: if this.back.is_some() { HeadMotion::MovedBack } else { HeadMotion::Forward },
            archived: this.archive.get(id),
        };
        let codec = DocumentCodec { kind, id, node: &node, now };
        let there = codec.decode(&context.known(&(kind, id.clone()), base.as_ref(), here.as_ref()), &there);
        let mut step = reconcile(&context, base.as_ref(), here.as_ref(), &there);
        let send = step.send.as_ref().map(|send| codec.encode(send).expect("it is not too much"));
        if let (Some(send), Some(base)) = (&send, &mut step.base)
            && base.revision == 0
        {
            base.revision = send.revision;
        }
        self.count.held += u64::from(step.held.is_some());
        let is_quiet = step.send.is_none() && step.file == FileAction::Keep && step.base == base;
        if !is_quiet {
            let file = match &step.file {
                FileAction::Keep => "keeps",
                FileAction::Write { .. } => "writes",
                FileAction::Create(_) => "makes",
                FileAction::Remove { .. } => "removes",
                FileAction::Archive { .. } => "archives",
            };
            let send = send.as_ref().map(|send| (send.expected, send.revision, send.record.gone));
            let (held, base) = (&step.held, step.base.as_ref().map(|base| base.revision));
            let line = format!("clone {clone}/{mirror}: {file} {id}, sends {send:?}, held {held:?}, base {base:?}");
            self.say(&line);
        }
        let (file, base) = (step.file, step.base);
        let under_way = UnderWay { sent: send.is_none(), written: file == FileAction::Keep, file, send, base, here };
        self.clones[clone].mirrors[mirror].under_way.insert(id.clone(), under_way);
        is_quiet
    }

    /// Sends, or writes, or remembers, whichever comes next.
    pub(crate) fn go_on(&mut self, clone: usize, mirror: usize, id: &DocId) -> Result<(), String> {
        let Some(mut way) = self.clones[clone].mirrors[mirror].under_way.remove(id) else { return Ok(()) };
        if !way.sent {
            let send = way.send.clone().expect("there is something to send");
            if !self.send(id, &send)? {
                return Ok(());
            }
            way.sent = true;
        } else if !way.written {
            let now = self.clones[clone].files.get(id);
            if now != way.here.as_ref() {
                return Ok(());
            }
            self.carry_out_file(clone, id, &way.file)?;
            way.written = true;
            if matches!(way.file, FileAction::Create(_)) {
                return Ok(());
            }
        } else {
            let bases = &mut self.clones[clone].mirrors[mirror].bases;
            match way.base {
                Some(base) => bases.insert(id.clone(), base),
                None => bases.remove(id),
            };
            return Ok(());
        }
        self.clones[clone].mirrors[mirror].under_way.insert(id.clone(), way);
        Ok(())
    }

    /// Tells whether it is known to have been written.
    fn send(&mut self, id: &DocId, send: &RedisWrite) -> Result<bool, String> {
        self.count.sends += 1;
        if self.is_healing {
            return Ok(self.apply(id, send)? == Answer::Written);
        }
        match self.below(20) {
            // It gets lost, or it arrives some time.
            0 => Ok(false),
            1 => {
                self.late.push((id.clone(), send.clone()));
                Ok(false)
            }
            // The answer gets lost.
            2 | 3 => self.apply(id, send).map(|_| false),
            // It arrives twice.
            4 => {
                self.late.push((id.clone(), send.clone()));
                Ok(self.apply(id, send)? == Answer::Written)
            }
            _ => Ok(self.apply(id, send)? == Answer::Written),
        }
    }

    pub(crate) fn apply(&mut self, id: &DocId, send: &RedisWrite) -> Result<Answer, String> {
        let before = self.server.record(id).and_then(|record| record.text.clone()).unwrap_or_default();
        let answer = self.server.apply(id, send, self.now);
        if answer == Answer::Conflict {
            self.count.conflicts += 1;
            return Ok(answer);
        }
        let after = send.record.text.clone().unwrap_or_default();
        let has = tokens(&after);
        let lost = tokens(&before)
            .into_iter()
            .find(|token| !has.contains(token) && !self.excused.contains(&(id.clone(), token.clone())));
        match lost {
            Some(lost) => Err(format!("{lost} is taken out of {id} on the server by revision {}", send.revision)),
            None => Ok(answer),
        }
    }
}

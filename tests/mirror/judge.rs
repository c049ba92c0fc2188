//! The end: without faults all become the same, nothing that was written is missing, and then nothing happens any more.

use mycelium::redis::codec::HashFields;

use crate::world::{GARBAGE, World, tokens};

impl World {
    /// No more faults. Every mirror looks at everything, again and again, and people resolve what they must.
    pub(crate) fn heal(&mut self, passes: u64) -> Result<(), String> {
        self.say("healing");
        self.is_healing = true;
        while let Some((id, out)) = self.late.pop() {
            self.apply(&id, &out)?;
        }
        for clone in 0..self.clones.len() {
            self.head_returns(clone);
            self.clones[clone].is_apart = false;
        }
        for pass in 0..passes {
            for clone in 0..self.clones.len() {
                self.resolve(clone);
            }
            self.say(&format!("pass {pass}"));
            if self.pass()? && pass > 0 {
                return self.judge();
            }
        }
        Err(format!("after {passes} passes there is still something to do"))
    }

    /// Tells whether nobody had anything to do.
    fn pass(&mut self) -> Result<bool, String> {
        let mut is_quiet = true;
        for clone in 0..self.clones.len() {
            for mirror in 0..self.clones[clone].mirrors.len() {
                for (kind, id) in self.ids.clone() {
                    self.clones[clone].mirrors[mirror].under_way.remove(&id);
                    is_quiet &= self.decide(clone, mirror, kind, &id);
                    while self.clones[clone].mirrors[mirror].under_way.contains_key(&id) {
                        self.go_on(clone, mirror, &id)?;
                    }
                }
            }
        }
        Ok(is_quiet)
    }

    fn judge(&mut self) -> Result<(), String> {
        for (_, id) in self.ids.clone() {
            let text = |clone: usize| self.clones[clone].files.get(&id).map(|local| local.document.text().to_owned());
            let first = text(0);
            for clone in 1..self.clones.len() {
                if text(clone) != first {
                    return Err(format!("{id} differs in clone {clone}"));
                }
            }
            let there = self.server.record(&id).filter(|record| record.gone.is_none());
            if there.and_then(|record| record.text.clone()) != first {
                return Err(format!("{id} differs on the server"));
            }
            let shown: &HashFields = &self.server.shown(&id).cloned().unwrap_or_default();
            // What cannot be used stays for whoever wrote it; else all is as it was told.
            let is_odd = |field: &&(String, String)| there.as_ref().is_some_and(|record| !record.wrote.contains(field));
            let has_garbage = shown.iter().any(|(_, text)| text.contains(GARBAGE));
            if let Some((field, _)) = shown.iter().find(is_odd).filter(|_| !has_garbage) {
                return Err(format!("{field} of {id} stays untold on the server"));
            }
            let has = first.as_deref().map(tokens).unwrap_or_default();
            let all = self.acknowledged.iter().chain(&self.written);
            for (_, token) in all.filter(|(of, _)| *of == id) {
                if !has.contains(token) && !self.excused.contains(&(id.clone(), token.clone())) {
                    return Err(format!("{token} of {id} has vanished"));
                }
            }
        }
        Ok(())
    }
}

//! The end: all clones and the remote are alike, nothing that was written is missing, nothing that was removed is back.

use std::collections::BTreeSet;

use mycelium::reconcile::DocumentKey;

use crate::world::{World, key_of, tokens};

impl World {
    pub(crate) fn judge(&self) -> Result<(), String> {
        let mut keys: BTreeSet<DocumentKey> = self.ids.iter().cloned().collect();
        for clone in &self.clones {
            let clone = clone.borrow();
            let live = clone.files.iter().filter(|(path, _)| !path.is_archived());
            keys.extend(live.filter_map(|(path, document)| key_of(path, document)));
        }
        for key in &keys {
            let id = &key.1;
            let text = |clone: usize| {
                let live = self.find(clone, key).filter(|(path, _)| !path.is_archived());
                live.map(|(_, document)| document.text().to_owned())
            };
            let first = text(0);
            for clone in 1..self.clones.len() {
                if text(clone) != first {
                    return Err(format!("{id} differs in clone {clone}: {:?} and {first:?}", text(clone)));
                }
            }
            if let Some(fault) = self.remote.fault(self, key, first.as_deref()) {
                return Err(fault);
            }
            let has = first.as_deref().map(tokens).unwrap_or_default();
            let people = self.people.borrow();
            let is_excused = |token: &String| people.excused.contains(&(id.clone(), token.clone()));
            let all = people.acknowledged.iter().chain(&people.written);
            if let Some((_, lost)) =
                all.filter(|(of, _)| of == id).find(|(_, token)| !has.contains(token) && !is_excused(token))
            {
                return Err(format!("{lost} of {id} has vanished"));
            }
            // A remote without texts brings nothing back; what git merges may come back.
            let is_known = self.remote.has_texts() && people.removed.contains(id);
            let is_back = is_known && first.is_some() && has.iter().all(is_excused);
            if is_back && !people.revived.contains(id) {
                return Err(format!("{id} was removed and is there again, though nobody wrote anything new into it"));
            }
        }
        Ok(())
    }
}

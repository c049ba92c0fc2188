//! The text of a new document: from the repository's own template if it has one, else in the shape that the settings name.

use std::path::Path;

use crate::adapters::store;
use crate::core::config::{Config, REPOSITORY_CONFIG};
use crate::core::document::Document;
use crate::core::entity::{Refusal, RenderError};
use crate::core::name::DocPath;
use crate::core::operation::New;
use crate::core::template::{self, Shape, TEMPLATE_BYTES_MAX};
use crate::services::Error;

/// The templates of one repository.
#[derive(Debug, Clone, Copy)]
pub(in crate::services) struct OwnTemplates<'a> {
    pub(in crate::services) root: &'a Path,
    pub(in crate::services) config: &'a Config,
}

impl OwnTemplates<'_> {
    /// The text of a new document.
    pub(in crate::services) fn render(&self, new: &New) -> Result<Document, Error> {
        let shape = match self.config.text("markdown.shape") {
            Some("classic") => Shape::Classic,
            _ => Shape::Lean,
        };
        let folder = REPOSITORY_CONFIG.trim_end_matches("config.json");
        let path = format!("{folder}templates/{}", template::file_name(new.kind()));
        let own = store::read_text_in(self.root, &path, TEMPLATE_BYTES_MAX)?;
        let own = own.as_deref();
        let rendered = match new {
            New::Task(new) => new.render(shape, own),
            New::Agent(new) => new.render(shape, own),
            New::Workflow(new) => new.render(shape, own),
        };
        rendered.map_err(|error| match error {
            // What was asked for is at fault, as it is where a document is changed.
            RenderError::Value(finding) => {
                let source = Refusal::BadValue { id: new.id().to_string(), findings: vec![*finding] };
                Error::Refused { path: DocPath::for_new(new.kind(), &new.id()), source: Box::new(source) }
            }
            error => error.into(),
        })
    }
}

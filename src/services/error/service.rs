//! An error that one service alone has, behind the methods that all errors have.

use std::fmt;

use crate::core::diagnostic::Diagnostic;
use crate::core::problem::{ErrorClass, Problem};

/// An error that one service alone has; it knows its code, its class and what to do.
#[derive(Debug)]
pub struct ServiceError(Box<dyn Problem + Send + Sync>);

impl ServiceError {
    /// Takes the error of a service.
    pub(in crate::services) fn new(error: impl Problem + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ServiceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl Problem for ServiceError {
    fn code(&self) -> &'static str {
        self.0.code()
    }

    fn class(&self) -> ErrorClass {
        self.0.class()
    }

    fn hint(&self) -> Option<String> {
        self.0.hint()
    }

    fn findings(&self) -> Vec<Diagnostic> {
        self.0.findings()
    }
}

//! Workflows: definitions, the documents that a run of one writes, and how it goes on from there. Pure: no file, clock or
//! process; what is decided is carried out by `services`.

mod decide;
mod definition;
mod drawing;
mod fan_out;
mod inputs;
mod named_tasks;
mod outcome;
mod parse;
mod plan;
mod starters;
mod validate;

pub use decide::{DriverAction, DriverMoment, DriverOperation, decide, is_driven, next_timeout, settle};
pub use definition::{
    EngineKind, INPUTS_MAX, InputDefinition, InputKind, STEPS_MAX, StepDefinition, WorkflowDefinition,
};
pub use drawing::{StepGraph, StepNode};
pub use inputs::{InputError, check_inputs, parse_inputs};
pub use named_tasks::{NamedTask, resolve_task_names};
pub use outcome::{WorkflowEnd, derived_workflow, steps_of, workflow_end};
pub use parse::{DefinitionReading, read_definition};
pub use plan::{EMBEDDED, PlannedTask, RunPlan, plan_run, step_id};
pub use starters::{STARTERS, starter};

//! `demo`

use crate::cli::args::DemoArgs;
use crate::cli::context::Context;
use crate::cli::error::Result;
use crate::control::protocol::{ErrorCode, Problem};

pub(super) fn run(_context: &Context, _arguments: &DemoArgs) -> Result {
    Err(Problem::new(ErrorCode::Unsupported, "this build has no demonstration").into())
}

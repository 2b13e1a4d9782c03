//! Settings: raw file, environment, and the validated result.
//!
//! [`settings::SETTINGS`] is the one table of settings: its rows feed the parser of `config.toml`, the environment, the
//! flags, `config show`, `config set` and the manual. Layers from weak to strong: default, file, environment, flag;
//! [`Config`] knows for each value where it came from. Nothing else in the program reads the environment.

pub mod edit;
pub mod env;
mod error;
pub mod file;
pub mod paths;
pub mod private_file;
pub mod resolve;
pub mod schedule;
pub mod settings;
mod sign_in;
pub mod value;

pub use env::Environment;
pub use error::ConfigError;
pub use file::ConfigFile;
pub use paths::{Paths, PathsError};
pub use resolve::{Config, Layers, Origin, Shown};
pub use schedule::Schedule;
pub use settings::Settings;
